#include "wire/python_frames.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

std::string number(std::uint64_t value, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string answer(char kind, const PythonFields& head, std::string_view output) {
  return kind + number(head.bytes().size(), 4) + number(output.size(), 8) + head.bytes() +
         std::string(output);
}

TEST(PythonFields, ComeBackAsTheyWent) {
  const PythonFields written = {"a", "", std::string_view("\0\xff", 2)};
  const auto read = read_python_fields(written.bytes());
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, (std::vector<std::string_view>{"a", "", std::string_view("\0\xff", 2)}));
}

TEST(PythonFields, RefuseWhatIsNoList) {
  const std::string good = PythonFields{"one", "two"}.bytes();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(read_python_fields(good.substr(0, size))) << size;
  }
  EXPECT_FALSE(read_python_fields(good + "x"));
  EXPECT_FALSE(read_python_fields("\xff\xff\xff\xff"));
}

TEST(PythonCall, HasItsHeadBeforeItsInput) {
  Call call;
  call.path = "/a";
  call.query = "q=1";
  call.headers = {{"X-One", "1"}};
  call.input = "input";
  const std::string bytes = write_python_call(call, std::chrono::milliseconds(5));
  const auto fields = read_python_fields(std::string_view(bytes).substr(12));
  ASSERT_TRUE(fields);
  EXPECT_EQ(bytes.substr(4, 8), number(5, 8));
  EXPECT_EQ(fields->size(), 8U);
  EXPECT_EQ((*fields)[1], "POST");
  EXPECT_EQ((*fields)[5], "5000");
  EXPECT_EQ((*fields)[6], "X-One");
}

TEST(PythonPacket, IsReadByItsWord) {
  EXPECT_EQ(read_python_packet(PythonFields{"ready", "4096"}.bytes())->memory_bytes, 4096U);
  EXPECT_EQ(read_python_packet(PythonFields{"failed", "why"}.bytes())->text, "why");
  const auto ended = read_python_packet(PythonFields{"ended", "7", "9", "1500", "4096"}.bytes());
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->number, 7U);
  EXPECT_EQ(ended->status, 9);
  EXPECT_EQ(ended->cpu_time, std::chrono::microseconds(1500));
}

TEST(PythonPacket, RefusesWhatIsNone) {
  for (const PythonFields& fields :
       {PythonFields{}, PythonFields{"ready"}, PythonFields{"ready", "-1"}, PythonFields{"ready", "1x"},
        PythonFields{"other", "1"}, PythonFields{"ended", "1", "99999999", "0", "0"}}) {
    EXPECT_EQ(read_python_packet(fields.bytes()).error().code, Code::invalid);
  }
}

TEST(PythonAnswer, IsPutTogetherFromSinglesBytes) {
  const std::string bytes = answer('R', {"201", "X-A", "b"}, "output");
  PythonAnswerReader reader(100);
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) EXPECT_FALSE(*reader.add(bytes.substr(i, 1)));
  ASSERT_TRUE(*reader.add(bytes.substr(bytes.size() - 1)));
  const PythonAnswer got = reader.take();
  EXPECT_EQ(got.status, 201);
  EXPECT_EQ(got.headers.at(0).value, "b");
  EXPECT_EQ(got.output, "output");
  EXPECT_FALSE(reader.has_more());
}

TEST(PythonAnswer, TellsThatMoreCameWithIt) {
  PythonAnswerReader reader(100);
  ASSERT_TRUE(*reader.add(answer('R', {"200"}, "output") + "R"));
  EXPECT_TRUE(reader.has_more());
  EXPECT_EQ(reader.take().output, "output");
}

TEST(PythonAnswer, TellsErrorsApart) {
  PythonAnswerReader raised(100);
  ASSERT_TRUE(*raised.add(answer('E', {"ValueError", "bad", "trace"}, "")));
  EXPECT_EQ(raised.take().type, "ValueError");
  PythonAnswerReader limit(100);
  ASSERT_TRUE(*limit.add(answer('L', {"memory", "MemoryError", "", "trace"}, "")));
  EXPECT_EQ(limit.take().limit, "memory");
}

TEST(PythonAnswer, RefusesMoreOutputThanAllowed) {
  PythonAnswerReader reader(5);
  EXPECT_EQ(reader.add(answer('R', {"200"}, "123456")).error().code, Code::too_large);
}

TEST(PythonAnswer, RefusesNonsense) {
  for (const std::string& bytes :
       {answer('X', {"200"}, ""), answer('R', {"99"}, ""), answer('R', {"600"}, ""),
        answer('R', {"200", "A"}, ""), answer('R', {"200", "A", "b\r\nC: d"}, ""),
        answer('R', {"200", "A b", "c"}, ""), answer('E', {"one"}, ""), answer('P', {"a"}, "output")}) {
    EXPECT_EQ(PythonAnswerReader(100).add(bytes).error().code, Code::invalid);
  }
}

}  // namespace
}  // namespace canopy::wire
