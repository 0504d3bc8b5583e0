#include "options/options.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace canopy {
namespace {

Result<ParsedOptions> parse(std::vector<std::string_view> arguments) {
  OptionInput input;
  input.arguments = std::move(arguments);
  return parse_options(input);
}

std::string refusal(const auto& result) {
  EXPECT_FALSE(result);
  if (result) return "";
  EXPECT_EQ(result.error().code, Code::invalid);
  return result.error().message;
}

TEST(Options, AreGoodByDefault) {
  const auto parsed = parse({});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->options.listen, "127.0.0.1:8080");
  EXPECT_TRUE(describe_changes(*parsed).empty());
  EXPECT_TRUE(check_exposure(parsed->options));
}

TEST(Options, WorkersAreANumberOrARange) {
  EXPECT_EQ(parse_workers("0")->max, 0U);
  EXPECT_EQ(parse_workers("3")->min, 3U);
  EXPECT_EQ(parse_workers("1..8")->min, 1U);
  EXPECT_EQ(parse_workers("1..8")->max, 8U);
  for (const std::string_view wrong :
       {"", "x", "-1", "1.5", "8..1", "0..4", "1..", "..8", "1..8..9", "257"}) {
    EXPECT_NE(refusal(parse_workers(wrong)).find("--workers="), std::string::npos) << wrong;
  }
  EXPECT_EQ(refusal(parse({"--workers=8..1"})),
            "--workers=8..1 is neither a number up to 256 nor a range such as 1..8");
}

TEST(Options, WallsAreNoneUnlessTheyAreAskedFor) {
  EXPECT_EQ(parse({})->options.user, "");
  EXPECT_EQ(parse({})->options.wall_memory_bytes, 0U);
  const auto parsed = parse({"--user=canopy", "--wall-memory=4GiB", "--wall-tasks=4096"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->options.user, "canopy");
  EXPECT_EQ(parsed->options.wall_memory_bytes, 4 * GiB);
  EXPECT_EQ(parsed->options.wall_tasks, 4096U);
  EXPECT_FALSE(parse({"--wall-tasks=-1"}));
}

TEST(Options, DispatchNeedsWorkersThatCanJoin) {
  EXPECT_TRUE(parse({"--node-listen=127.0.0.1:0", "--dispatch=pull"}));
  EXPECT_TRUE(parse({"--dispatch=local"}));
  EXPECT_EQ(refusal(parse({"--dispatch=push"})),
            "--dispatch=push needs workers that join: say where they do, --node-listen=HOST:PORT");
  EXPECT_NE(refusal(parse({"--node-listen=9090"})).find("--node-listen=9090: the port is missing"),
            std::string::npos);
}

TEST(Options, AcceptEachOfTheirDefaultsAsAValue) {
  Options defaults;
  std::set<std::string_view> names;
  for (const OptionRow& row : option_rows(defaults)) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " stands twice";
    EXPECT_TRUE(row.help.ends_with('.')) << row.name;
    const std::string value = show_setting(row);
    if (value.empty() || row.name == "config") continue;
    const auto parsed = parse({"--" + std::string(row.name) + "=" + value});
    EXPECT_TRUE(parsed) << row.name << ": " << parsed.error().message;
  }
}

TEST(Options, TakeTheVariablesOfMucpdWhereItIsOn) {
  OptionInput input;
  input.arguments = {"--mucpd=on"};
  input.environment = {"PORT=3000", "DB_URL=tcp://db:27444", "JQ_URL=tcp://jq:27445"};
  const auto on = parse_options(input);
  ASSERT_TRUE(on) << on.error().message;
  EXPECT_EQ(describe_changes(*on),
            (std::vector<std::string>{"listen = 127.0.0.1:3000 (from PORT)", "mucpd = on (from --mucpd)"}));
  ASSERT_EQ(on->reading.warnings.size(), 2U);
  EXPECT_TRUE(on->reading.warnings[0].starts_with("DB_URL is not used: "));
  EXPECT_TRUE(on->reading.warnings[1].starts_with("JQ_URL is not used: "));

  input.arguments = {"--mucpd=on", "--listen=:80"};
  const auto open = parse_options(input);
  EXPECT_EQ(open->options.listen, ":80") << "a flag is stronger";
  EXPECT_EQ(open->reading.warnings.size(), 3U) << "and it is said what that means";
  input.arguments = {};
  EXPECT_EQ(parse_options(input)->options.listen, "127.0.0.1:8080") << "PORT may be anybody's";
  EXPECT_TRUE(parse_options(input)->reading.warnings.empty());
  input.arguments = {"--mucpd=on"};
  input.environment = {"PORT=http"};
  EXPECT_TRUE(refusal(parse_options(input)).starts_with("PORT=http: "));
}

TEST(Options, TakeThePathOfPythonWhereFaasBuildersIsOn) {
  OptionInput input;
  input.arguments = {"--builders=on"};
  input.environment = {"PYTHONPATH=/course:tests"};
  const auto on = parse_options(input);
  ASSERT_TRUE(on) << on.error().message;
  EXPECT_EQ(describe_changes(*on),
            (std::vector<std::string>{"builders = on (from --builders)",
                                      "python-path = /course:tests (from PYTHONPATH)"}));
  EXPECT_TRUE(on->reading.warnings.empty());
  input.arguments = {"--builders=on", "--python-path=/own", "--listen=:80"};
  const auto open = parse_options(input);
  EXPECT_EQ(open->options.python_path, "/own") << "a flag is stronger";
  EXPECT_EQ(open->reading.warnings.size(), 1U) << "and it is said that everybody may use it";
  input.arguments = {};
  EXPECT_EQ(parse_options(input)->options.python_path, "") << "PYTHONPATH may be anybody's";
}

TEST(Options, SayWhichAddressIsOpenToEverybody) {
  OptionInput input;
  input.arguments = {"--hyperfaas=on", "--hyperfaas-listen=127.0.0.1:50050,:50051",
                     "--hyperfaas-database=:8999"};
  const auto own = parse_options(input);
  ASSERT_TRUE(own) << own.error().message;
  ASSERT_EQ(own->reading.warnings.size(), 1U);
  EXPECT_TRUE(own->reading.warnings[0].starts_with(
      "whoever can reach --hyperfaas-listen=:50051 or --hyperfaas-database=:8999 may "))
      << own->reading.warnings[0];
  input.arguments = {"--hyperfaas=on", "--hyperfaas-database=http://elsewhere:8999"};
  EXPECT_TRUE(parse_options(input)->reading.warnings.empty()) << "that one is asked, not served";
  input.arguments = {"--mucpd=on", "--hyperfaas=auto", "--hyperfaas-listen=:50051"};
  EXPECT_TRUE(parse_options(input)->reading.warnings.empty()) << "MUCPD's API is not served there";
}

TEST(Options, ADatabaseIsServedAtAnAddressOrAskedAtAUrl) {
  OptionInput input;
  for (const char* good : {"127.0.0.1:8999", "http://elsewhere:8999", "https://elsewhere/db"}) {
    const std::string database = std::string("--hyperfaas-database=") + good;
    input.arguments = {"--hyperfaas=on", database};
    EXPECT_TRUE(parse_options(input)) << good;
  }
  for (const char* bad : {"ftp://elsewhere:21", "http://", "http:///path", "redis://me:secret@there"}) {
    const std::string database = std::string("--hyperfaas-database=") + bad;
    input.arguments = {"--hyperfaas=on", database};
    const auto parsed = parse_options(input);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_NE(parsed.error().message.find("nor the URL of one elsewhere, http://HOST:PORT"),
              std::string::npos)
        << parsed.error().message;
    EXPECT_EQ(parsed.error().message.find("secret"), std::string::npos);
  }
}

TEST(Options, SayWhatDiffersAndWhereItCameFrom) {
  OptionInput input;
  input.arguments = {"--listen=127.0.0.1:80", "--config=c.yaml", "--data=.canopy"};
  input.environment = {"CANOPY_INSECURE=1"};
  input.read_file = [](const std::string&) { return Result<std::string>("call-timeout: 5s\n"); };
  const auto parsed = parse_options(input);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(describe_changes(*parsed),
            (std::vector<std::string>{
                "listen = 127.0.0.1:80 (from --listen)", "config = c.yaml (from --config)",
                "insecure = true (from CANOPY_INSECURE)", "call-timeout = 5s (from c.yaml:1:15)"}));
}

TEST(Options, RefuseWhatContradicts) {
  EXPECT_EQ(refusal(parse({"--tls-cert=c.pem"})),
            "--tls-cert and --tls-key belong together: --tls-key is missing");
  EXPECT_EQ(refusal(parse({"--tls-key=k.pem"})),
            "--tls-cert and --tls-key belong together: --tls-cert is missing");
  EXPECT_NE(refusal(parse({"--node-ca=ca.pem", "--node-listen=:1"})).find("--tls-cert"), std::string::npos);
  EXPECT_TRUE(parse({"--node-ca=ca.pem", "--node-listen=:1", "--tls-cert=c.pem", "--tls-key=k.pem"}));
  EXPECT_TRUE(parse({"--node-ca=ca.pem", "--node-listen=:1", "--node-cert=c.pem", "--node-key=k.pem"}));
  EXPECT_EQ(refusal(parse({"--node-listen=:1", "--node-cert=c.pem"})),
            "--node-cert and --node-key belong together: --node-key is missing");
  EXPECT_NE(refusal(parse({"--node-cert=c.pem", "--node-key=k.pem"})).find("--node-listen"),
            std::string::npos);
  EXPECT_NE(refusal(parse({"--store=redis://h", "--store-ca=ca.pem"})).find("rediss://"), std::string::npos);
  EXPECT_TRUE(parse({"--store=rediss://h", "--store-ca=ca.pem"}));
  EXPECT_EQ(refusal(parse({"--store=rediss://h", "--store-cert=c.pem"})),
            "--store-cert and --store-key belong together: --store-key is missing");
  EXPECT_EQ(refusal(parse({"--memory-max=2GiB"})),
            "--memory-max=2GiB is more than --memory-limit=1GiB allows");
  EXPECT_TRUE(parse({"--memory-max=2GiB", "--memory-limit=2GiB"}));
  EXPECT_EQ(refusal(parse({"--call-timeout-max=5s"})),
            "--call-timeout=10s is more than --call-timeout-max=5s allows");
  EXPECT_EQ(refusal(parse({"--data="})), "--data needs a folder: write --data=FOLDER");
  EXPECT_EQ(refusal(parse({"up"})), "'up' is not a flag: write --name=value (--help lists them)");
}

TEST(ParseListen, ReadsHostsAndPorts) {
  const auto loopback = parse_listen("127.0.0.1:8080");
  ASSERT_TRUE(loopback);
  EXPECT_EQ(loopback->host, "127.0.0.1");
  EXPECT_EQ(loopback->port, 8080);
  EXPECT_TRUE(loopback->loopback);
  EXPECT_EQ(parse_listen("[::1]:0")->host, "::1");
  EXPECT_TRUE(parse_listen("[::1]:0")->loopback);
  EXPECT_TRUE(parse_listen("localhost:1")->loopback);
  EXPECT_TRUE(parse_listen("127.1.2.3:1")->loopback);
  EXPECT_EQ(parse_listen(":80")->host, "0.0.0.0");
  for (const std::string_view text : {":80", "0.0.0.0:80", "[::]:80", "10.0.0.1:80", "127.example.org:80"}) {
    EXPECT_FALSE(parse_listen(text)->loopback) << text;
  }
}

TEST(ParseListen, RefusesTheRest) {
  for (const std::string_view text : {"", "8080", "localhost", "a:", "a:x", "a:65536", "a:-1", "::1:80",
                                      "[a]:80", "[::1]", "a: 80", "a:80 "}) {
    const std::string words = refusal(parse_listen(text));
    EXPECT_NE(words.find("write HOST:PORT"), std::string::npos) << text;
  }
  EXPECT_FALSE(parse({"--listen=nonsense"}));
}

TEST(CheckExposure, RefusesToBeOpenByAccident) {
  Options options;
  options.listen = ":8080";
  EXPECT_TRUE(check_exposure(options));
  options.auth = "off";
  EXPECT_NE(refusal(check_exposure(options)).find("or say --insecure"), std::string::npos);
  options.insecure = true;
  EXPECT_TRUE(check_exposure(options));
  options = {};
  options.auth = "off";
  EXPECT_TRUE(check_exposure(options));
}

TEST(ReadOptionsFile, ReadsAFileOrSaysWhichItCannot) {
  const auto path = std::filesystem::path(testing::TempDir()) / "canopy_options_test.yaml";
  std::ofstream(path) << "listen: :1\n";
  EXPECT_EQ(read_options_file(path.string()), "listen: :1\n");
  std::ofstream(path) << std::string(300 * KiB, '#');
  EXPECT_EQ(read_options_file(path.string())->size(), 256 * KiB + 1);
  std::filesystem::remove(path);
  EXPECT_NE(
      refusal(read_options_file(path.string())).find("canopy_options_test.yaml: the file cannot be read"),
      std::string::npos);
}

TEST(EnvironmentOf, ListsABlock) {
  const std::array<const char*, 3> block = {"A=1", "B=2", nullptr};
  EXPECT_EQ(environment_of(block.data()), (std::vector<std::string_view>{"A=1", "B=2"}));
  EXPECT_TRUE(environment_of(nullptr).empty());
}

TEST(OptionsHelp, NamesEveryFlag) {
  std::ostringstream out;
  print_help(out);
  Options defaults;
  for (const OptionRow& row : option_rows(defaults)) {
    EXPECT_NE(out.str().find("  --" + std::string(row.name)), std::string::npos) << row.name;
  }
}

// docs/options.md, looked for from where the test runs and from where it was compiled, upwards.
std::filesystem::path find_docs() {
  for (auto folder : {std::filesystem::current_path() / "here", std::filesystem::absolute(__FILE__)}) {
    while (folder != folder.parent_path()) {
      folder = folder.parent_path();
      if (std::filesystem::exists(folder / "src/options/options.cc")) return folder / "docs/options.md";
    }
  }
  return {};
}

// After a change to the table: UPDATE_DOCS=1 build/dev/src/options_test, or `canopy up --help=markdown`.
TEST(OptionsDocs, AreWhatTheTableSays) {
  std::ostringstream out;
  print_markdown(out);
  const std::filesystem::path path = find_docs();
  ASSERT_FALSE(path.empty()) << "run this inside the source tree";
  const bool update = std::getenv("UPDATE_DOCS") != nullptr;  // NOLINT(concurrency-mt-unsafe): one thread.
  if (update) std::ofstream(path) << out.str();
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, out.str())
      << "docs/options.md is older than the table: UPDATE_DOCS=1 build/dev/src/options_test";
}

}  // namespace
}  // namespace canopy
