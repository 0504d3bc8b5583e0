#include "cli/program.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "cli/calls.h"
#include "cli/client.h"
#include "cli/completion.h"
#include "cli/embedded.h"
#include "cli/help.h"
#include "cli/shell.h"
#include "cli/verb.h"

namespace canopy::cli {
namespace {

// The source tree, looked for from where the test runs and from where it was compiled, upwards.
std::filesystem::path source_tree() {
  for (auto folder : {std::filesystem::current_path() / "here", std::filesystem::absolute(__FILE__)}) {
    while (folder != folder.parent_path()) {
      folder = folder.parent_path();
      if (std::filesystem::exists(folder / "src/cli/verbs.cc")) return folder;
    }
  }
  return {};
}

TEST(Program, WithoutWordsItSaysWhatThereIs) {
  Shell shell;
  const Ended ended = shell.run({});
  EXPECT_EQ(ended.status, 0);
  for (const Verb& verb : verbs())
    EXPECT_NE(ended.out.find(std::string(verb.name) + " "), std::string::npos) << verb.name;
  EXPECT_EQ(shell.run({"--help"}).out, ended.out);
  EXPECT_EQ(shell.run({"help"}).out, ended.out);
}

TEST(Program, EveryVerbHasHelp) {
  Shell shell;
  for (const Verb& verb : verbs()) {
    std::vector<std::string> words;
    std::istringstream name{std::string(verb.name)};
    for (std::string word; name >> word;) words.push_back(word);
    words.emplace_back("--help");
    const Ended ended = shell.run(words);
    EXPECT_EQ(ended.status, 0) << verb.name << ended.err;
    EXPECT_TRUE(ended.out.starts_with(usage(verb) + "\n")) << ended.out;
    Flags flags;
    for (const OptionRow& row : flags_of(verb, flags)) {
      EXPECT_NE(ended.out.find("--" + std::string(row.name)), std::string::npos)
          << verb.name << " " << row.name;
    }
  }
}

TEST(Program, TheTableIsSound) {
  std::set<std::string_view> names;
  for (const Verb& verb : verbs()) {
    EXPECT_TRUE(names.insert(verb.name).second) << verb.name;
    EXPECT_TRUE(verb.help.ends_with('.')) << verb.name;
    EXPECT_LE(verb.arguments_min, verb.arguments_max);
    Flags flags;
    std::set<std::string_view> flag_names;
    std::set<char> letters;
    for (const OptionRow& row : flags_of(verb, flags)) {
      EXPECT_TRUE(flag_names.insert(row.name).second) << verb.name << " " << row.name;
      EXPECT_TRUE(row.letter == '\0' || letters.insert(row.letter).second) << verb.name << " " << row.name;
      EXPECT_TRUE(row.help.ends_with('.')) << verb.name << " " << row.name;
    }
  }
}

TEST(Program, ErrorsAreOneSentenceAndStatusOne) {
  Shell shell;
  const std::vector<std::vector<std::string>> wrong = {{"nonsense"},
                                                       {"deploy"},
                                                       {"deploy", "a", "b"},
                                                       {"list", "--nonsense"},
                                                       {"list", "--json=maybe"},
                                                       {"calls", "show", "x"},
                                                       {"rollback", "a/b", "--to=x"},
                                                       {"invoke", "a b"},
                                                       {"invoke", "a", "-H", "none"},
                                                       {"invoke", "a", "-d"},
                                                       {"invoke", "a", "-d", "@" + shell.path("none")},
                                                       {"run", shell.path("none.wasm")},
                                                       {"dev", shell.path("none")},
                                                       {"completion", "ksh"},
                                                       {"new", "perl", "x"},
                                                       {"apply", "-f", shell.path("none.yaml")},
                                                       {"up", "--listen=nonsense"},
                                                       {"up", "--config=" + shell.path("none")},
                                                       {"calls", "--state=MAYBE"},
                                                       {"dispatch", "local", "--function="}};
  for (const auto& words : wrong) {
    const Ended ended = shell.run(words);
    std::string shown;
    for (const std::string& word : words) shown += word + " ";
    EXPECT_EQ(ended.status, 1) << shown;
    EXPECT_EQ(ended.out, "") << shown;
    EXPECT_TRUE(ended.err.starts_with("canopy: ")) << shown << ended.err;
    EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << shown << ended.err;
  }
}

TEST(Program, ASlipInASecondWordIsToldFromAnArgument) {
  Shell shell;
  EXPECT_EQ(shell.run({"cert", "sever", "10.0.0.1"}).err,
            "canopy: there is no canopy cert sever; did you mean 'server'?\n");
  EXPECT_EQ(shell.run({"calls", "shw", "12"}).err,
            "canopy: there is no canopy calls shw; did you mean 'show'?\n");
  EXPECT_EQ(shell.run({"help", "calls", "shw"}).err,
            "canopy: there is no canopy calls shw; did you mean 'show'?\n");
  EXPECT_EQ(shell.run({"help", "calls", "show"}).status, 0);
  EXPECT_NE(shell.run({"user", "xyzzy"}).err.find("'xyzzy' is one argument too many"), std::string::npos);
  EXPECT_NE(shell.run({"calls", "xyzzy", "12"}).err.find("'12' is one argument too many"), std::string::npos);
}

TEST(Program, ApplyNamesTheFunctionThatIsWrong) {
  Shell shell;
  const auto file = shell.file(
      "canopy.yaml", "functions:\n  - name: demo/a\n    path: f.py\n  - name: demo/b\n    path: none\n");
  shell.file("f.py", "def handle(): return 1\n");
  const Ended ended = shell.run({"apply", "-f", file.string()});
  EXPECT_EQ(ended.err, "canopy: demo/b: there is no " + shell.path("none") +
                           "; name a source file, a folder or a module\n");
}

TEST(Program, AnEmptyFunctionDoesNotMeanAllOfThem) {
  Shell shell;
  EXPECT_NE(shell.run({"dispatch", "local", "--function="}).err.find("--function= names none"),
            std::string::npos);
}

TEST(Program, NobodyAtTheAddressIsSaidWithTheFix) {
  Shell shell;
  shell.set("CANOPY_URL=http://127.0.0.1:1");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"list"},
                                                                                     {"describe", "a"},
                                                                                     {"remove", "a"},
                                                                                     {"rollback", "a"},
                                                                                     {"invoke", "a"},
                                                                                     {"logs", "a"},
                                                                                     {"logs", "a", "-f"},
                                                                                     {"calls"}}) {
    const Ended ended = shell.run(words);
    EXPECT_EQ(ended.status, 1) << words.front();
    EXPECT_NE(ended.err.find("cannot connect to http://127.0.0.1:1"), std::string::npos) << ended.err;
    EXPECT_NE(ended.err.find("canopy up"), std::string::npos) << ended.err;
  }
}

TEST(Program, AFlagWinsOverTheVariable) {
  Shell shell;
  shell.set("CANOPY_URL=http://127.0.0.1:1");
  EXPECT_NE(shell.run({"list", "--url=http://127.0.0.1:2"}).err.find("127.0.0.1:2"), std::string::npos);
}

TEST(Program, OtherVariablesAreNoFlags) {
  Shell shell;
  shell.set("CANOPY_NAME=x");
  shell.set("CANOPY_ENV=nonsense");
  shell.set("CANOPY_DATA=/somewhere");
  EXPECT_NE(shell.run({"list", "--url=http://127.0.0.1:2"}).err.find("cannot connect"), std::string::npos);
}

TEST(Program, SaysItsVersion) {
  Shell shell;
  EXPECT_EQ(shell.run({"version"}).out, "canopy 1.2.3\n");
  EXPECT_EQ(shell.run({"--version"}).out, "canopy 1.2.3\n");
  EXPECT_EQ(shell.run({"version", "--json"}).out, "{\"version\":\"1.2.3\"}\n");
}

TEST(Program, LinesUpItsVerbs) {
  Shell shell;
  std::istringstream help(shell.run({"help"}).out);
  std::set<std::size_t> columns;
  for (std::string line; std::getline(help, line);) {
    if (line.starts_with("  ")) columns.insert(line.find_first_not_of(' ', line.find("  ", 2)));
  }
  EXPECT_EQ(columns.size(), 1U) << help.str();
}

TEST(Program, DocsAreWhatTheTableSays) {
  ASSERT_FALSE(source_tree().empty()) << "run the test below the source tree";
  const auto path = source_tree() / "docs/cli.md";
  Shell shell;
  const std::string made = shell.run({"help", "--help=markdown"}).out;
  if (std::getenv("UPDATE_DOCS") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
    ASSERT_TRUE(write_file(path, made));
  }
  const auto kept = read_file(path);
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(*kept, made) << "docs/cli.md is older than the table: UPDATE_DOCS=1 build/dev/src/cli_test";
}

TEST(Completion, KnowsEveryVerbAndFlagInEveryShell) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    std::ostringstream out;
    ASSERT_TRUE(print_completion(shell, out));
    const std::string script = out.str();
    for (const Verb& verb : verbs()) {
      const std::string word(verb.name.substr(verb.name.find(' ') + 1));
      EXPECT_NE(script.find(word), std::string::npos) << shell << " " << verb.name;
      Flags flags;
      for (const OptionRow& row : flags_of(verb, flags)) {
        const std::string flag = (shell == "fish" ? "-l " : "--") + std::string(row.name);
        EXPECT_NE(script.find(flag), std::string::npos) << shell << " " << flag;
      }
    }
  }
  std::ostringstream out;
  EXPECT_EQ(print_completion("tcsh", out).error().code, Code::invalid);
}

TEST(Embedded, HasTheSdkAndTheTemplates) {
  std::set<std::string_view> paths;
  for (const EmbeddedFile& file : embedded_files()) {
    paths.insert(file.path);
    EXPECT_FALSE(file.content.empty()) << file.path;
  }
  EXPECT_TRUE(paths.contains("c/canopy.h"));
  EXPECT_TRUE(paths.contains("c/faasm/faasm.h"));
  EXPECT_TRUE(paths.contains("templates/cpp/canopy.yaml"));
  ASSERT_FALSE(source_tree().empty()) << "run the test below the source tree";
  const auto header = source_tree() / "sdk/c/canopy.h";
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.path == "c/canopy.h") EXPECT_EQ(read_file(header), std::string(file.content));
  }
}

TEST(NewFunction, MakesAFolderThatNamesIt) {
  Shell shell;
  for (const std::string language : {"c", "cpp", "go", "rust"}) {
    const Ended ended = shell.run({"new", language, shell.path("my-" + language)});
    EXPECT_EQ(ended.status, 0) << ended.err;
    const auto manifest = read_file(shell.path("my-" + language + "/canopy.yaml"));
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_TRUE(manifest->starts_with("name: default/my-" + language + "\n")) << *manifest;
    EXPECT_TRUE(std::filesystem::exists(shell.path("my-" + language + "/expected")));
  }
  EXPECT_EQ(shell.run({"new", "c", shell.path("my-c")}).status, 1);
  EXPECT_EQ(shell.run({"new", "c", shell.path("not a name")}).status, 1);
}

net::HttpClientResponse response(int status, std::string body, std::string call = "") {
  net::HttpClientResponse made{
      .status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
  if (!call.empty()) made.headers.push_back({"X-Call-Id", std::move(call)});
  return made;
}

TEST(CallError, TellsWhoFailed) {
  const auto failed = call_error(response(
      424,
      R"({"error":{"code":"function_failed","message":"m","origin":"function","call":"c1","stage":"run"}})",
      "c1"));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->error.code, Code::function_failed);
  EXPECT_EQ(failed->error.message, "m");
  EXPECT_TRUE(failed->functions_fault);
  EXPECT_TRUE(is_functions_fault({Code::died, "", Stage::run}, "function"));
  EXPECT_TRUE(is_functions_fault({Code::limit, "", Stage::run}, "limit"));
  EXPECT_TRUE(is_functions_fault({Code::deadline, "", Stage::run}, "limit"));
  EXPECT_FALSE(is_functions_fault({Code::deadline, "", Stage::queue}, "limit"));
  EXPECT_FALSE(is_functions_fault({Code::not_found, "", Stage::none}, "client"));
  EXPECT_FALSE(is_functions_fault({Code::exhausted, "", Stage::queue}, "limit"));
}

TEST(CallError, AWorkerThatEndedUnderACallIsNoFaultOfTheFunctions) {
  const auto lost = call_error(response(
      502, R"({"error":{"code":"died","message":"m","origin":"platform","call":"c1","stage":"run"}})", "c1"));
  ASSERT_TRUE(lost);
  EXPECT_FALSE(lost->functions_fault);
}

TEST(CallError, AFunctionsOwnReplyIsNone) {
  EXPECT_FALSE(call_error(response(200, "{}")));
  EXPECT_FALSE(call_error(response(404, R"({"error":"mine"})", "c1")));
  EXPECT_FALSE(call_error(response(500, "not JSON", "c1")));
  // What another Canopy answered it, handed on.
  EXPECT_FALSE(call_error(
      response(404, R"({"error":{"code":"not_found","message":"m","origin":"client","call":"c2"}})", "c1")));
}

TEST(ReadError, IsASentenceWhateverCame) {
  EXPECT_EQ(
      read_error(
          response(404, R"({"error":{"code":"not_found","message":"there is none","origin":"client"}})"))
          .message,
      "there is none");
  EXPECT_EQ(read_error(response(401, R"({"error":{"code":"unauthorized","message":"no key"}})")).message,
            "no key; set CANOPY_KEY to a key of this server");
  for (const std::string body : {"", "<html>", "{}", R"({"error":5})", R"({"error":{"message":""}})"}) {
    EXPECT_EQ(read_error(response(502, body)).message,
              "the server answered with status 502 and no word why; is CANOPY_URL right?");
  }
}

}  // namespace

}  // namespace canopy::cli
