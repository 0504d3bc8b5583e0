#include "api/upload.h"

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

const FunctionName name{"demo", "hello"};

net::HttpRequest request_of(std::string_view type, std::string body, std::string_view query = {}) {
  net::HttpRequest request;
  request.headers.emplace_back("Content-Type", type);
  request.query = query;
  request.body = std::move(body);
  return request;
}

std::string part(const std::string& disposition, const std::string& body) {
  return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + body + "\r\n";
}

// What an upload of these parts is refused with; "" where it is taken.
std::string refusal(const std::string& parts) {
  const auto request = request_of("multipart/form-data; boundary=b", parts + "--b--\r\n");
  const auto upload = read_upload(request, name);
  return upload ? "" : upload.error().message;
}

TEST(ReadUpload, TakesAModuleAsItIs) {
  const auto request = request_of("Application/WASM; x=y", "code", "timeout=2s");
  const auto upload = read_upload(request, name);
  ASSERT_TRUE(upload.has_value()) << upload.error().message;
  EXPECT_EQ(upload->code, "code");
  EXPECT_EQ(upload->manifest.timeout, std::chrono::seconds(2));
  EXPECT_TRUE(upload->files.empty());
}

TEST(ReadUpload, TakesPartsAndLetsTheQueryGoBeforeTheManifest) {
  const auto request =
      request_of("multipart/form-data; boundary=b",
                 part("name=\"manifest\"; filename=\"canopy.json\"",
                      R"({"memory": "16MiB", "timeout": "9s", "env": {"A": "1", "B": "2"}})") +
                     part("name=\"code\"; filename=\"a.wasm\"", "code") +
                     part("name=\"file\"; filename=\"a/b.txt\"", "content") + "--b--\r\n",
                 "timeout=2s&env=B=3");
  const auto upload = read_upload(request, name);
  ASSERT_TRUE(upload.has_value()) << upload.error().message;
  EXPECT_EQ(upload->manifest.memory_bytes, 16 * MiB);
  EXPECT_EQ(upload->manifest.timeout, std::chrono::seconds(2));
  EXPECT_EQ(upload->manifest.env->at("A"), "1");
  EXPECT_EQ(upload->manifest.env->at("B"), "3");
  ASSERT_EQ(upload->files.size(), 1U);
  EXPECT_EQ(upload->files[0].path, "a/b.txt");
  EXPECT_EQ(upload->files[0].content, "content");
}

TEST(ReadUpload, RefusesPartsThatMeanNothing) {
  const std::string code = part("name=\"code\"", "x");
  EXPECT_EQ(refusal(code), "");
  EXPECT_NE(refusal(code + part("name=\"cod\"", "x")).find("'cod'"), std::string::npos);
  EXPECT_NE(refusal(part("name=\"manifest\"", "memory: 1MiB")).find("'code'"), std::string::npos);
  EXPECT_NE(refusal(code + code), "");
  EXPECT_NE(refusal(code + part("name=\"manifest\"", "memory: [")).find("manifest:1"), std::string::npos);
  EXPECT_NE(refusal(code + part("name=\"manifest\"", "name: other/one")).find("other/one"),
            std::string::npos);
  EXPECT_EQ(refusal(code + part("name=\"manifest\"", "name: demo/hello")), "");
  EXPECT_NE(refusal(code + part("name=\"file\"", "x")).find("filename"), std::string::npos);
  const std::string file = part("name=\"file\"; filename=\"a\"", "x");
  EXPECT_NE(refusal(code + file + file).find("two files 'a'"), std::string::npos);
  EXPECT_NE(refusal(code + file + part("name=\"file\"; filename=\"a/b\"", "x")).find("lies in it"),
            std::string::npos);
  const std::string source =
      "--b\r\nContent-Disposition: form-data; name=\"code\"\r\nContent-Type: text/x-c\r\n\r\nint x;\r\n";
  EXPECT_NE(refusal(source).find("canopy deploy"), std::string::npos);
}

TEST(CheckFilePath, TakesOnlyPathsBelowTheRoot) {
  for (const char* const good : {"a", "a/b/c.txt", ".hidden", "a b", "gr\xC3\xBCn", "..."}) {
    EXPECT_TRUE(check_file_path(good).has_value()) << good;
  }
  for (const std::string& bad :
       {std::string(""), std::string("/a"), std::string("a//b"), std::string("a/"), std::string("."),
        std::string("a/../b"), std::string(".."), std::string("a\0b", 3), std::string("a\nb"),
        std::string(256, 'a'), std::string(1025, 'a'), std::string("a/./b")}) {
    const auto checked = check_file_path(bad);
    ASSERT_FALSE(checked.has_value()) << bad;
    EXPECT_EQ(checked.error().code, Code::invalid);
  }
}

TEST(CheckFilePath, RefusesWhatACallWouldNotSee) {
  for (const char* const hidden : {"tmp", "tmp/x", "tmp/a/b"}) {
    const auto checked = check_file_path(hidden);
    ASSERT_FALSE(checked.has_value()) << hidden;
    EXPECT_NE(checked.error().message.find("a /tmp of its own"), std::string::npos);
  }
  EXPECT_FALSE(check_file_path("etc").has_value());
  for (const char* const seen : {"etc/hosts", "etc/app/config", "a/tmp", "tmpl", "etcetera", "a/etc"}) {
    EXPECT_TRUE(check_file_path(seen).has_value()) << seen;
  }
}

TEST(ReadSettings, ReadsEachNameOfAManifest) {
  const auto settings = read_settings(
      "memory=1MiB&timeout=1.5s&concurrency=3&output=1KiB&log=2KiB&tmp=3KiB&open_files=4&"
      "runtime=wasm&env=A=x%26y&env=B=");
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  EXPECT_EQ(settings->memory_bytes, MiB);
  EXPECT_EQ(settings->timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(settings->concurrency, 3U);
  EXPECT_EQ(settings->output_bytes, KiB);
  EXPECT_EQ(settings->log_bytes, 2 * KiB);
  EXPECT_EQ(settings->tmp_bytes, 3 * KiB);
  EXPECT_EQ(settings->open_files, 4U);
  EXPECT_EQ(settings->env->at("A"), "x&y");
  EXPECT_EQ(settings->env->at("B"), "");
  EXPECT_FALSE(read_settings("")->memory_bytes.has_value());
}

TEST(ReadSettings, RefusesWhatIsNone) {
  for (const char* const bad :
       {"memroy=1MiB", "memory=much", "memory", "concurrency=0", "env=1A=x", "env=A", "name=a/b",
        "memory=1MiB&memory=1MiB", "%zz=1", "memory=%4", "code=x", "files=x"}) {
    const auto settings = read_settings(bad);
    ASSERT_FALSE(settings.has_value()) << bad;
    EXPECT_EQ(settings.error().code, Code::invalid) << bad;
  }
  std::string many;
  for (int i = 0; i < 201; ++i) many += "env=A" + std::to_string(i) + "=x&";
  EXPECT_FALSE(read_settings(many).has_value());
}

}  // namespace
}  // namespace canopy::api
