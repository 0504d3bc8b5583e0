#include "container/unpack.h"

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "container/images.h"
#include "wire/tar.h"

namespace canopy::container {
namespace {

namespace fs = std::filesystem;
using wire::TarEntry;
using Kind = TarEntry::Kind;

struct Given {
  std::string path;
  std::string content = {};
  Kind kind = Kind::file;
  unsigned mode = 0644;
};

std::string layer_of(const std::vector<Given>& entries) {
  std::string layer;
  for (const Given& given : entries) {
    TarEntry entry;
    entry.kind = given.kind;
    entry.path = given.path;
    entry.mode = given.mode;
    const bool is_link = given.kind == Kind::symlink || given.kind == Kind::hardlink;
    if (is_link) entry.target = given.content;
    wire::append_tar(entry, is_link ? "" : given.content, layer);
  }
  wire::append_tar_end(layer);
  return layer;
}

std::string compressed(const std::string& bytes) {
  std::string out(bytes.size() + 1000, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class Unpack : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("canopy-unpack-test-" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "root");
    std::ofstream(folder_ / "secret") << "outside";
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result<void> lay(const std::vector<std::string>& layers, const UnpackLimits& limits = {}) {
    std::string archive;
    wire::Image image;
    for (const std::string& layer : layers) {
      image.layers.push_back(
          {.at = archive.size(), .size_bytes = layer.size(), .compressed = layer.starts_with("\x1f\x8b")});
      archive += layer;
    }
    said_bytes_ = unpacked_bytes(archive, image);
    return unpack(archive, image, folder_ / "root", limits);
  }

  std::string refusal(const std::vector<std::string>& layers, const UnpackLimits& limits = {}) {
    const auto done = lay(layers, limits);
    return done ? "" : done.error().message;
  }

  std::string read(const std::string& path) const {
    std::ifstream file(folder_ / "root" / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool exists(const std::string& path) const {
    std::error_code error;
    return fs::exists(fs::symlink_status(folder_ / "root" / path, error));
  }

  fs::path folder_;
  std::uint64_t said_bytes_ = 0;  // Of what was laid last.
};

TEST_F(Unpack, LaysFilesFoldersAndLinks) {
  ASSERT_TRUE(lay({layer_of({{.path = "bin", .kind = Kind::folder, .mode = 0755},
                             {.path = "bin/a", .content = "program", .mode = 04755},
                             {.path = "bin/b", .content = "bin/a", .kind = Kind::hardlink},
                             {.path = "c", .content = "bin/a", .kind = Kind::symlink},
                             {.path = "deep/er/d", .content = "d"}})}));
  EXPECT_EQ(read("bin/a"), "program");
  EXPECT_EQ(read("bin/b"), "program");
  EXPECT_EQ(read("c"), "program");
  EXPECT_EQ(read("deep/er/d"), "d");
  struct stat about{};
  ASSERT_EQ(stat((folder_ / "root/bin/a").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777U, 0755U);  // Without set-user-id.
  for (const char* const own : {"proc", "dev", "tmp", "etc/hosts"}) EXPECT_TRUE(exists(own)) << own;
}

TEST_F(Unpack, FilesTakeThePlaceOfWhatWasThere) {
  ASSERT_TRUE(lay(
      {layer_of(
           {{.path = "a", .content = "1"}, {.path = "b/x", .content = "1"}, {.path = "c", .content = "1"}}),
       compressed(layer_of({{.path = "a", .content = "2"},
                            {.path = "b", .content = "now a file"},
                            {.path = "c", .kind = Kind::folder, .mode = 0755},
                            {.path = "c/y", .content = "3"}}))}));
  EXPECT_EQ(read("a"), "2");
  EXPECT_EQ(read("b"), "now a file");
  EXPECT_EQ(read("c/y"), "3");
}

TEST_F(Unpack, WhiteoutsRemove) {
  ASSERT_TRUE(lay({layer_of({{.path = "a", .content = "1"},
                             {.path = "b/x", .content = "1"},
                             {.path = "b/y", .content = "1"},
                             {.path = "c/x", .content = "1"}}),
                   layer_of({{.path = ".wh.a"},
                             {.path = "b/new", .content = "2"},
                             {.path = "b/.wh..wh..opq"},
                             {.path = "c/.wh.x"}})}));
  EXPECT_FALSE(exists("a"));
  EXPECT_FALSE(exists("b/x"));
  EXPECT_FALSE(exists("b/y"));
  EXPECT_EQ(read("b/new"), "2");  // Of the same layer: it stays.
  EXPECT_FALSE(exists("c/x"));
  EXPECT_FALSE(exists(".wh.a"));
}

TEST_F(Unpack, NothingIsWrittenThroughLinksThatLeadOut) {
  const std::string outside = folder_.string();
  const std::string name = "tmp/canopy-unpack-stray-" + std::to_string(getpid());
  ASSERT_TRUE(lay({layer_of({{.path = "out", .content = outside, .kind = Kind::symlink},
                             {.path = "up", .content = "../../../../..", .kind = Kind::symlink}})}));
  // The links mean what they would mean inside: folders below the root.
  static_cast<void>(lay({layer_of({{.path = "out/secret", .content = "changed"},
                                   {.path = "up/" + name, .content = "y"},
                                   {.path = "out/.wh.secret"}})}));
  std::ifstream secret(folder_ / "secret");
  std::string text;
  secret >> text;
  EXPECT_EQ(text, "outside");
  EXPECT_FALSE(fs::exists("/" + name));
}

TEST_F(Unpack, AWhiteoutOfALinkRemovesTheLinkAlone) {
  fs::create_directories(folder_ / "precious");
  std::ofstream(folder_ / "precious/file") << "x";
  ASSERT_TRUE(
      lay({layer_of({{.path = "link", .content = (folder_ / "precious").string(), .kind = Kind::symlink}}),
           layer_of({{.path = ".wh.link"}})}));
  EXPECT_FALSE(exists("link"));
  EXPECT_TRUE(fs::exists(folder_ / "precious/file"));
}

TEST_F(Unpack, HardLinksReachNothingOutside) {
  EXPECT_NE(refusal({layer_of({{.path = "out", .content = folder_.string(), .kind = Kind::symlink},
                               {.path = "copy", .content = "out/secret", .kind = Kind::hardlink}})}),
            "");
  EXPECT_FALSE(exists("copy"));
}

TEST_F(Unpack, MountPointsAreFoldersWhateverTheImageSays) {
  ASSERT_TRUE(lay({layer_of({{.path = "proc", .content = folder_.string(), .kind = Kind::symlink},
                             {.path = "dev", .content = "a file"}})}));
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(folder_ / "root/proc")));
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(folder_ / "root/dev")));
}

TEST_F(Unpack, TooMuchIsRefused) {
  EXPECT_NE(refusal({layer_of({{.path = "a", .content = std::string(2000, 'a')}})}, {.bytes_max = 1000})
                .find("larger"),
            std::string::npos);
  EXPECT_NE(
      refusal({layer_of({{.path = "a"}, {.path = "b"}, {.path = "c"}})}, {.entries_max = 2}).find("files"),
      std::string::npos);
  // Small while it is compressed.
  const std::string bomb = compressed(layer_of({{.path = "z", .content = std::string(64 * MiB, '\0')}}));
  EXPECT_LT(bomb.size(), MiB);
  EXPECT_NE(refusal({bomb}, {.bytes_max = 8 * MiB}).find("larger"), std::string::npos);
  EXPECT_FALSE(exists("z"));
}

TEST_F(Unpack, HasAnEnd) {
  const std::string layer = layer_of({{.path = "a", .content = std::string(2000, 'a')}});
  EXPECT_EQ(lay({layer}, {.time_max = Duration(-1)}).error().code, Code::limit);
  EXPECT_FALSE(exists("a"));
  EXPECT_EQ(refusal({layer}), "");
}

// Who is to account for it is asked before it is there.
// As when the server does: between two pieces, of however many files.
TEST_F(Unpack, StopsWhenItIsTold) {
  std::stop_source stop;
  const std::string layer = layer_of({{.path = "a", .content = std::string(MiB, 'x')}});
  EXPECT_TRUE(lay({layer}, {.stop = stop.get_token()}));
  stop.request_stop();
  fs::remove_all(folder_ / "root");
  fs::create_directory(folder_ / "root");
  const auto stopped = lay({layer, compressed(layer)}, {.stop = stop.get_token()});
  EXPECT_EQ(stopped.error().code, Code::unavailable);
  EXPECT_NE(stopped.error().message.find("the server stops"), std::string::npos);
  EXPECT_FALSE(exists("a"));
}

TEST_F(Unpack, LayersSayHowLargeTheyAreAndAreHeldToIt) {
  const std::string plain = layer_of({{.path = "a", .content = std::string(2000, 'a')}});
  const std::string large = layer_of({{.path = "z", .content = std::string(4 * MiB, '\0')}});
  EXPECT_EQ(refusal({plain, compressed(large)}), "");
  EXPECT_EQ(said_bytes_, plain.size() + large.size());
  std::string liar = compressed(large);
  for (std::size_t i = 1; i <= 4; ++i) liar[liar.size() - i] = '\0';
  EXPECT_NE(refusal({liar}, {.said_bytes = liar.size()}).find("say they are"), std::string::npos);
  EXPECT_EQ(said_bytes_, liar.size());
}

TEST_F(Unpack, LeavesTheDiskRoomForOthers) {
  const std::string large = compressed(layer_of({{.path = "z", .content = std::string(40 * MiB, '\0')}}));
  const auto full = lay({large}, {.free_bytes_min = std::uint64_t{1} << 60U});
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::unavailable);
  EXPECT_NE(full.error().message.find("make room"), std::string::npos) << full.error().message;
}

TEST_F(Unpack, FoldersThatOnlyPathsNameAreCountedToo) {
  EXPECT_NE(refusal({layer_of({{.path = "a/b/c/d/e/f"}})}, {.entries_max = 4}).find("files"),
            std::string::npos);
  EXPECT_EQ(refusal({layer_of({{.path = "g/h"}, {.path = "g/i"}})}, {.entries_max = 3}), "");
}

TEST_F(Unpack, FoldersAreNotDeeperThanCanBeRemoved) {
  std::string deep = "a";
  for (int i = 0; i < 120; ++i) deep += "/a";
  // Short paths lead on from where a link leads.
  const std::vector<Given> entries = {{.path = deep, .kind = Kind::folder},
                                      {.path = "one", .content = deep, .kind = Kind::symlink},
                                      {.path = "one/" + deep, .kind = Kind::folder},
                                      {.path = "two", .content = "one/" + deep, .kind = Kind::symlink},
                                      {.path = "two/" + deep, .kind = Kind::folder}};
  EXPECT_EQ(refusal({layer_of({entries[0], entries[1]})}), "");
  EXPECT_NE(refusal({layer_of(entries)}).find("deep"), std::string::npos);
  std::string deeper = "b";
  for (int i = 0; i < 1900; ++i) deeper += "/b";
  EXPECT_NE(refusal({layer_of({{.path = deeper}})}).find("deep"), std::string::npos);
}

TEST_F(Unpack, NamesInMemoryHaveAnEnd) {
  const std::string long_name(200, 'n');
  const std::string layer = layer_of({{.path = long_name + "/a"}, {.path = long_name + "/b"}});
  EXPECT_NE(refusal({layer}, {.name_bytes_max = 400}).find("names"), std::string::npos);
  EXPECT_EQ(refusal({layer, layer}, {.name_bytes_max = 700}), "") << "each layer has as much";
}

TEST_F(Unpack, BrokenLayersAreRefused) {
  std::string layer = compressed(layer_of({{.path = "a", .content = std::string(100'000, 'a')}}));
  EXPECT_NE(refusal({layer.substr(0, layer.size() / 2)}), "");
  layer[layer.size() / 2] ^= 0x55;
  EXPECT_NE(refusal({layer}), "");
  EXPECT_NE(refusal({std::string(1000, 'x')}), "");
}

TEST_F(Unpack, UsersAreLookedUpInTheImage) {
  ASSERT_TRUE(lay({layer_of({{.path = "etc/passwd", .content = "root:x:0:0::/:\nweb:x:33:34::/:\n"},
                             {.path = "etc/group", .content = "staff:x:50:\n"}})}));
  const fs::path root = folder_ / "root";
  EXPECT_EQ(find_user(root, "web")->user, 33U);
  EXPECT_EQ(find_user(root, "web")->group, 34U);
  EXPECT_EQ(find_user(root, "web:staff")->group, 50U);
  EXPECT_EQ(find_user(root, "7:8")->user, 7U);
  EXPECT_EQ(find_user(root, "7:8")->group, 8U);
  EXPECT_EQ(find_user(root, "")->user, 65534U);
  EXPECT_EQ(find_user(root, "root")->user, 65534U);  // Not that of the machine.
  EXPECT_EQ(find_user(root, "0:0")->group, 65534U);
  EXPECT_FALSE(find_user(root, "nobody-knows"));
}

TEST_F(Unpack, ListsOfUsersOutsideAreNotRead) {
  std::ofstream(folder_ / "passwd") << "web:x:33:34::/:\n";
  ASSERT_TRUE(lay(
      {layer_of({{.path = "etc/passwd", .content = (folder_ / "passwd").string(), .kind = Kind::symlink}})}));
  EXPECT_FALSE(find_user(folder_ / "root", "web"));
}

}  // namespace
}  // namespace canopy::container
