#include "wire/pickle.h"

#include <gtest/gtest.h>

#include "wire/base64.h"

namespace canopy::wire {
namespace {

using namespace std::string_literals;

std::string check(std::string_view bytes) {
  const auto checked = check_pickle(bytes);
  return checked ? "" : checked.error().message;
}

// What dill wrote, in base64.
TEST(Pickle, IsKnown) {
  for (const std::string_view text : {"gARLBC4=", "gASVCQAAAAAAAABLAoWUfZSGlC4=", "gAROLg==", "gAJLBC4=",
                                      // range(300), a dictionary, floats, large numbers and bytes
                                      "gASVUwAAAAAAAAB9lCiMAWGUjAhidWlsdGluc5SMBXJhbmdllJOUSwBNLAFLAYeUUpSMAW"
                                      "KUXZQoRz/4AAAAAAAAigkAAAAAAAAAAAGI"
                                      "iU5ljAFjlEMEAAEC/5R1Lg=="}) {
    EXPECT_EQ(check(*read_base64(text)), "") << text;
  }
}

TEST(Pickle, IsRefusedInPythonsWords) {
  EXPECT_EQ(check(""), "Ran out of input");
  EXPECT_EQ(check("hello"), "invalid load key, 'h'.");
  EXPECT_EQ(check("\x00\x01"s), "invalid load key, '\\x00'.");
  EXPECT_EQ(check("\x80"), "pickle data was truncated");
  EXPECT_EQ(check("\x80\x09."), "unsupported pickle protocol: 9");
  EXPECT_EQ(check("\x80\x04"), "pickle data was truncated");
  EXPECT_EQ(check("\x80\x04N"), "pickle data was truncated");
  EXPECT_EQ(check("\x80\x04\xff."), "invalid load key, '\\xff'.");
  EXPECT_EQ(check("\x80\x04Pid\n."), "invalid load key, 'P'.") << "ids of the world outside";
  EXPECT_EQ(check("\x80\x04N.x"), "1 bytes follow the end of the pickle");
}

TEST(Pickle, IsWholeOrRefused) {
  const std::string whole = *read_base64(
      "gASVUwAAAAAAAAB9lCiMAWGUjAhidWlsdGluc5SMBXJhbmdllJOUSwBNLAFLAYeUUpSMAWKUXZQoRz/"
      "4AAAAAAAAigkAAAAAAAAAAAGI"
      "iU5ljAFjlEMEAAEC/5R1Lg==");
  for (std::size_t size = 2; size < whole.size(); ++size) {
    EXPECT_EQ(check(whole.substr(0, size)), "pickle data was truncated") << size;
  }
}

TEST(Pickle, ASizeIsBelievedOnlyWhereThereAreSoManyBytes) {
  EXPECT_EQ(check("\x80\x04X\xff\xff\xff\xff."), "pickle data was truncated");
  EXPECT_EQ(check("\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff."), "pickle data was truncated");
  EXPECT_EQ(check("\x80\x04\x8b\xff\xff\xff\xff."), "pickle data was truncated") << "a size below 0";
  EXPECT_EQ(check("\x80\x04V no end"), "pickle data was truncated");
  EXPECT_EQ(check("\x80\x02"
                  "cbuiltins\nlen\n."),
            "");
  EXPECT_EQ(check("\x80\x02"
                  "cbuiltins\nlen."),
            "pickle data was truncated");
}

// As dill.dumps() writes the same.
TEST(Pickle, WritesATextAsPythonDoes) {
  EXPECT_EQ(pickle_text("WorkerFailure: Task execution timed out"),
            "\x80\x04\x95\x2b\x00\x00\x00\x00\x00\x00\x00\x8c'WorkerFailure: Task execution timed out\x94."s);
  EXPECT_EQ(pickle_text(""), "\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00\x8c\x00\x94."s);
  const std::string large = pickle_text(std::string(300, 'x'));
  EXPECT_TRUE(large.starts_with("\x80\x04\x95\x33\x01\x00\x00\x00\x00\x00\x00X\x2c\x01\x00\x00xxx"s));
  EXPECT_EQ(check(large), "");
}

TEST(Pickle, WritesADictOfOneTextAsPythonDoes) {
  const std::string pickle = pickle_entry("task_id", "9f1c");
  EXPECT_EQ(pickle,
            "\x80\x04\x95\x15\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x07"
            "task_id\x94\x8c\x04"
            "9f1c\x94s."s);
  EXPECT_EQ(check(pickle), "");
}

TEST(Pickle, WritesAnExceptionAsPythonDoes) {
  const std::string pickle = pickle_exception("TimeoutError", "late");
  EXPECT_EQ(pickle,
            "\x80\x04\x95\x28\x00\x00\x00\x00\x00\x00\x00\x8c\x08"
            "builtins\x94\x8c\x0cTimeoutError\x94\x93\x94\x8c\x04late\x94\x85\x94R\x94."s);
  EXPECT_EQ(check(pickle), "");
}

}  // namespace
}  // namespace canopy::wire
