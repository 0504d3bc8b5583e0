#include "options/table.h"

#include <array>
#include <sstream>

#include <gtest/gtest.h>

#include "base/units.h"

namespace canopy {
namespace {

constexpr std::array<std::string_view, 3> colours = {"red", "green", "blue"};

struct Things {
  std::string text = "start";
  bool flag = false;
  std::uint64_t bytes = MiB;
  std::uint64_t count = 7;
  Duration time = std::chrono::seconds(5);
  std::string colour = "red";
  std::vector<std::string> list;
  std::string config;
};

std::vector<OptionRow> rows_of(Things& things) {
  return {{"text", "TEXT", &things.text, "Some text.", "First", 't'},
          {"some-flag", "", &things.flag, "Yes or no.", "First", 'f'},
          {"bytes-max", "SIZE", SizeSetting{&things.bytes, KiB, GiB}, "A size.", "First"},
          {"count", "N", CountSetting{&things.count, 1, 10}, "A count.", "Second", 'n'},
          {"time", "DURATION", DurationSetting{&things.time}, "A time.", "Second"},
          {"colour", "COLOUR", ChoiceSetting{&things.colour, colours}, "One of three.", "Second"},
          {"env", "K=V", &things.list, "Many.", "Second", 'e'},
          {"config", "FILE", &things.config, "The file.", "Second"}};
}

struct Outcome {
  Things things;
  Result<OptionReading> reading;
};

Outcome read(std::vector<std::string_view> arguments, std::vector<std::string_view> environment = {},
             const std::string& file = "") {
  Outcome outcome{Things(), OptionReading()};
  OptionInput input{std::move(arguments), std::move(environment),
                    [&](const std::string&) { return Result<std::string>(file); }};
  outcome.reading = read_options(rows_of(outcome.things), input);
  return outcome;
}

std::string refusal(const Outcome& outcome) {
  if (outcome.reading) return "";
  EXPECT_EQ(outcome.reading.error().code, Code::invalid);
  return outcome.reading.error().message;
}

TEST(OptionTable, ReadsEachKindFromFlags) {
  const auto [things, reading] = read({"--text=a=b", "--some-flag", "--bytes-max=2KiB", "--count=3",
                                       "--time=250ms", "--colour=blue", "--env=A=1", "--env=B=2"});
  ASSERT_TRUE(reading) << reading.error().message;
  EXPECT_EQ(things.text, "a=b");
  EXPECT_TRUE(things.flag);
  EXPECT_EQ(things.bytes, 2 * KiB);
  EXPECT_EQ(things.count, 3U);
  EXPECT_EQ(things.time, std::chrono::milliseconds(250));
  EXPECT_EQ(things.colour, "blue");
  EXPECT_EQ(things.list, (std::vector<std::string>{"A=1", "B=2"}));
  EXPECT_EQ(reading->origins[0], "--text");
  EXPECT_EQ(reading->sources[0], OptionSource::flag);
  EXPECT_EQ(reading->sources[7], OptionSource::unset);
  EXPECT_EQ(reading->origins[7], "");
}

TEST(OptionTable, ReadsLetters) {
  const auto [things, reading] = read({"-t", "x", "-f", "-n5", "-e", "A=1", "-e", "-B"});
  ASSERT_TRUE(reading) << reading.error().message;
  EXPECT_EQ(things.text, "x");
  EXPECT_TRUE(things.flag);
  EXPECT_EQ(things.count, 5U);
  EXPECT_EQ(things.list, (std::vector<std::string>{"A=1", "-B"}));
  EXPECT_EQ(refusal(read({"-x"})), "no option '-x' (--help lists them)");
  EXPECT_EQ(refusal(read({"-t"})), "-t needs a value: write -t TEXT");
  EXPECT_EQ(refusal(read({"-fn"})), "'-fn': -f takes no value");
}

TEST(OptionTable, KeepsWhatIsNoFlag) {
  const auto [things, reading] = read({"one", "-", "--count=2", "", "--", "--text=x", "two"});
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->positional, (std::vector<std::string>{"one", "-", "", "--text=x", "two"}));
  EXPECT_EQ(things.text, "start");
}

TEST(OptionTable, ReadsVariables) {
  const auto [things, reading] =
      read({}, {"CANOPY_TEXT=v", "CANOPY_SOME_FLAG=yes", "CANOPY_BYTES_MAX=1MiB", "PATH=/bin"});
  ASSERT_TRUE(reading);
  EXPECT_EQ(things.text, "v");
  EXPECT_TRUE(things.flag);
  EXPECT_EQ(reading->origins[0], "CANOPY_TEXT");
  EXPECT_EQ(reading->sources[1], OptionSource::variable);
  EXPECT_TRUE(reading->warnings.empty());
}

TEST(OptionTable, ReadsTheFileThatAFlagOrAVariableNames) {
  const std::string file = "text: f\nsome-flag: true\nenv: [A, B]\n";
  for (const auto& outcome :
       {read({"--config=c.yaml"}, {}, file), read({}, {"CANOPY_CONFIG=c.yaml"}, file)}) {
    ASSERT_TRUE(outcome.reading) << outcome.reading.error().message;
    EXPECT_EQ(outcome.things.text, "f");
    EXPECT_TRUE(outcome.things.flag);
    EXPECT_EQ(outcome.things.list, (std::vector<std::string>{"A", "B"}));
    EXPECT_EQ(outcome.reading->origins[0], "c.yaml:1:7");
    EXPECT_EQ(outcome.reading->sources[0], OptionSource::file);
  }
  EXPECT_EQ(read({}, {}, file).things.text, "start");  // Nobody named it.
}

TEST(OptionTable, PrefersFlagThenVariableThenFileThenDefault) {
  const std::string file = "text: file\ncount: 2\ntime: 2s\nenv: [F]\n";
  const auto [things, reading] = read({"--text=flag", "--config=c", "--env=X"},
                                      {"CANOPY_TEXT=variable", "CANOPY_COUNT=3", "CANOPY_ENV=V"}, file);
  ASSERT_TRUE(reading);
  EXPECT_EQ(things.text, "flag");
  EXPECT_EQ(things.count, 3U);
  EXPECT_EQ(things.time, std::chrono::seconds(2));
  EXPECT_EQ(things.bytes, MiB);
  EXPECT_EQ(things.list, (std::vector<std::string>{"X"}));  // Not a sum of all.
  EXPECT_EQ(reading->origins[0], "--text");
  EXPECT_EQ(reading->origins[3], "CANOPY_COUNT");
}

TEST(OptionTable, TakesTheLastOfAFlag) { EXPECT_EQ(read({"--text=a", "--text=b"}).things.text, "b"); }

TEST(OptionTable, SuggestsTheNearestFlag) {
  EXPECT_EQ(refusal(read({"--cuont=3"})), "no option '--cuont'; did you mean --count? (--help lists them)");
  EXPECT_EQ(refusal(read({"--some_flag"})),
            "no option '--some_flag'; did you mean --some-flag? (--help lists them)");
  EXPECT_EQ(refusal(read({"--frobnicate=3"})), "no option '--frobnicate' (--help lists them)");
  EXPECT_EQ(refusal(read({"--=3"})), "no option '--' (--help lists them)");
}

TEST(OptionTable, DemandsAValue) {
  EXPECT_EQ(refusal(read({"--text", "x"})), "--text needs a value: write --text=TEXT");
  EXPECT_EQ(read({"--text="}).things.text, "");
  EXPECT_FALSE(read({"--some-flag=no"}).things.flag);
}

TEST(OptionTable, RefusesValuesThatAreNone) {
  EXPECT_EQ(refusal(read({"--count=7x"})), "--count: '7x' is not a whole number");
  EXPECT_EQ(refusal(read({"--count=11"})), "--count: '11' is too large: the most is 10");
  EXPECT_EQ(refusal(read({"--bytes-max=64 MB"})), "--bytes-max: '64 MB' is not a size; write 64MiB");
  EXPECT_EQ(refusal(read({"--time=5"})), "--time: '5' is not a duration; write 5s");
  EXPECT_EQ(refusal(read({"--some-flag=perhaps"})), "--some-flag: 'perhaps' is neither true nor false");
  EXPECT_EQ(refusal(read({"--colour=gren"})),
            "--colour: 'gren' is none of red, green, blue; did you mean 'green'?");
  EXPECT_EQ(refusal(read({std::string_view("--text=a\0b", 10)})), "--text: it has a NUL in it");
  EXPECT_EQ(refusal(read({}, {"CANOPY_COUNT=0"})), "CANOPY_COUNT: '0' is too small: the least is 1");
  // A wrong value is wrong even where a stronger source has a good one.
  EXPECT_EQ(refusal(read({"--count=2"}, {"CANOPY_COUNT=x"})), "CANOPY_COUNT: 'x' is not a whole number");
}

TEST(OptionTable, BoundsLists) {
  const std::vector<std::string_view> many(1001, "--env=A");
  EXPECT_EQ(refusal(read(many)), "--env: it is given more than 1000 times");
}

TEST(OptionTable, SaysWhereInTheFile) {
  const auto file = [](const std::string& text) { return refusal(read({"--config=c.yaml"}, {}, text)); };
  EXPECT_EQ(file("text: a\ncount: many\n"), "c.yaml:2:8: count: 'many' is not a whole number");
  EXPECT_EQ(file("tetx: a\n"), "c.yaml:1:1: no setting 'tetx'; did you mean text?");
  EXPECT_EQ(file("config: other\n"),
            "c.yaml:1:1: config names this file; it cannot name another from inside");
  EXPECT_EQ(file("text: [a]\n"), "c.yaml:1:7: text: one value was expected, and this is a list");
  EXPECT_EQ(file("text:\n"), "c.yaml:1:1: text: one value was expected, and this is nothing");
  EXPECT_EQ(file("env: [[a]]\n"), "c.yaml:1:7: env: one value was expected, and this is a list");
  EXPECT_NE(file("- text\n").find("c.yaml:1:1: settings are written as"), std::string::npos);
  EXPECT_NE(file("text: [\n").find("c.yaml:"), std::string::npos);
  EXPECT_EQ(file("# nothing\n"), "");
}

TEST(OptionTable, PassesOnThatTheFileCannotBeRead) {
  Things things;
  OptionInput input;
  input.arguments = {"--config=c"};
  input.read_file = [](const std::string& path) -> Result<std::string> {
    return fail(Code::unavailable, path);
  };
  const auto reading = read_options(rows_of(things), input);
  ASSERT_FALSE(reading);
  EXPECT_EQ(reading.error().code, Code::unavailable);
}

TEST(OptionTable, WarnsOfVariablesThatLookLikeOurs) {
  const auto [things, reading] =
      read({}, {"CANOPY_CUONT=1", "CANOPY_URL=x", "CANOPY_KEY=x", "CANOPY_CACHE=x", "CANOPY_JOIN_KEY=x",
                "CANOPY_SERVICE_HOST=10.0.0.1", "CANOPY_PORT=tcp://10.0.0.1:80", "CANOPY"});
  ASSERT_TRUE(reading);
  ASSERT_EQ(reading->warnings.size(), 1U);
  EXPECT_EQ(reading->warnings[0],
            "the variable 'CANOPY_CUONT' is not a setting; did you mean 'CANOPY_COUNT'?");
}

TEST(OptionTable, NoticesThatHelpIsAskedFor) {
  EXPECT_FALSE(read({}).reading->help);
  EXPECT_EQ(read({"--help"}).reading->help, "");
  EXPECT_EQ(read({"-h"}).reading->help, "");
  EXPECT_EQ(read({"--help=markdown"}).reading->help, "markdown");
}

TEST(OptionTable, PrintsHelp) {
  Things things;
  std::ostringstream out;
  print_help(rows_of(things), out);
  const std::string text = out.str();
  EXPECT_NE(text.find("First:\n  --text=TEXT, -t   (start)\n      Some text.\n  --some-flag, -f\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nSecond:\n  --count=N, -n   (7)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("--bytes-max=SIZE   (1MiB)"), std::string::npos);
}

TEST(OptionTable, PrintsMarkdown) {
  Things things;
  std::ostringstream out;
  print_markdown(rows_of(things), out);
  EXPECT_NE(out.str().find("## First\n\n| flag | variable | default | meaning |\n| --- | --- | --- | --- |\n"
                           "| `--text=TEXT` | `CANOPY_TEXT` | `start` | Some text. |\n"),
            std::string::npos)
      << out.str();
  EXPECT_NE(out.str().find("| `--config=FILE` | `CANOPY_CONFIG` |  | The file. |"), std::string::npos);
}

TEST(OptionTable, ShowsLists) {
  Things things;
  things.list = {"a", "b"};
  EXPECT_EQ(show_setting(rows_of(things)[6]), "a, b");
}

}  // namespace
}  // namespace canopy
