#pragma once
// Which request of MUCPD's that is: as Express 4 matched it, whose routes they were. The words of a path are
// case-blind, a '/' at the end counts for nothing, and names are decoded once.
//
//   POST, DELETE      /u/:user                    GET            /j/:job
//   GET               /u/:user/time               GET            /j/:job/res
//   GET               /u/:user/fn                 GET            /j/:job/typed    (not in MUCPD)
//   GET, POST, DELETE /u/:user/fn/:function       DELETE         /j/:job
//   POST              /u/:user/fn/:function/run

#include <cstdint>
#include <string>
#include <string_view>

namespace canopy::mucpd {

enum class Door : std::uint8_t {
  add_user,  // user, as all down to run
  remove_user,
  user_time,
  functions,
  function,  // function, as all down to run
  add_function,
  remove_function,
  run,
  job_status,  // job, as all down to remove_job
  job_result,
  job_typed,
  remove_job,
  nowhere,  // There is no such route.
  no_text,  // There is, but a name in it is not percent-encoded UTF-8.
};

struct Asked {
  Door door = Door::nowhere;
  std::string user = {};
  std::string function = {};
  std::string job = {};
};

// Whether a path is MUCPD's to answer.
bool is_ours(std::string_view path);

Asked read_request(std::string_view method, std::string_view path);

}  // namespace canopy::mucpd
