#pragma once
// Where a verb writes: results to standard output, everything else to standard error. Colour only for
// people: on a terminal, and without NO_COLOR.
//
// Threads: one; Progress has the other stream while it lives.

#include <ostream>
#include <string>
#include <string_view>

namespace canopy::cli {

class Terminal {
 public:
  struct Streams {
    std::ostream& out;
    std::ostream& err;
    bool in_is_terminal = false;
    bool out_is_terminal = false;
    bool err_is_terminal = false;
    bool colour = false;
  };

  explicit Terminal(const Streams& streams) : streams_(streams) {}

  std::ostream& out() { return streams_.out; }
  std::ostream& err() { return streams_.err; }
  bool in_is_terminal() const { return streams_.in_is_terminal; }
  bool out_is_terminal() const { return streams_.out_is_terminal; }
  bool err_is_terminal() const { return streams_.err_is_terminal; }
  bool colour() const { return streams_.colour; }

  // `text` for standard output, in a manner that only a terminal shows.
  std::string bold(std::string_view text) const { return styled("1", text); }
  std::string faint(std::string_view text) const { return styled("2", text); }
  std::string red(std::string_view text) const { return styled("31", text); }
  std::string green(std::string_view text) const { return styled("32", text); }
  std::string yellow(std::string_view text) const { return styled("33", text); }

  // What a function or a server wrote, safe to show: on a terminal, control characters but for line ends and
  // tabs, what turns the direction of writing, and what is no UTF-8 are written out as \xNN, so that no
  // function moves the cursor of whoever reads its log. Exact where it goes to a file.
  std::string safe(std::string_view text) const;
  // The same for standard error.
  std::string safe_error(std::string_view text) const;

 private:
  std::string styled(std::string_view code, std::string_view text) const;

  Streams streams_;
};

// The process's own streams.
Terminal open_terminal(bool no_color);

}  // namespace canopy::cli
