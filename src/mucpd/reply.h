#pragma once
// Answers in MUCPD's words, byte for byte: its envelope, and what Express said where MUCPD had nothing to
// say.

#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"
#include "store/call_log.h"

namespace canopy::mucpd {

// {"error":false,"res":<json>}; without "res" where `json` is "", as JavaScript leaves out what is undefined.
net::HttpResponse success(std::string_view json);
// {"error":true,"res":"<text>"}, with the status 200: in MUCPD an error of a handled request is no error of
// HTTP.
net::HttpResponse failure(std::string_view text);
net::HttpResponse failure(const Error& error);  // "[ERR] " and its message.

net::HttpResponse not_found();                       // 404, "Not Found"
net::HttpResponse bad_request();                     // 400 of a path that is no text
net::HttpResponse too_large();                       // 413
net::HttpResponse unauthorized(const Error& error);  // 401, in the envelope
net::HttpResponse forbidden(std::string_view text);  // 403, in the envelope

// The result of a job that has ended, as JSON: the string of MUCPD, or typed (docs/mucpd.md). `function` is
// how the client calls it, `timeout` what it was given.
std::string result_json(const store::StoredResult& result, std::string_view function, Duration timeout);
std::string typed_json(const store::StoredResult& result, std::string_view function, Duration timeout);

}  // namespace canopy::mucpd
