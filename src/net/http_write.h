#pragma once
// Responses as bytes: the head written straight into the connection's output, and the errors that the
// server makes by itself.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "net/http.h"

namespace canopy::net {

enum class Framing { sized, chunked, until_close };

struct ResponseFrame {
  Framing framing = Framing::sized;
  bool close = false;   // Say that the connection ends after this response.
  bool http10 = false;  // The client spoke HTTP/1.0, so keeping the connection has to be said.
};

// Appends the status line and headers of `response`, up to the empty line. The server owns the headers that
// frame the response (Content-Length, Transfer-Encoding, Connection and such) and the date: they are dropped
// from `response`, as is every name or value that could split it.
void append_head(std::string& out, const HttpResponse& response, ResponseFrame frame,
                 std::string_view date_line);

// Whether this header says how a response is framed, or is set by the server itself; the type of the content
// where `has_content_type`.
bool is_framing_header(std::string_view name, bool has_content_type);

// Whether a response with this status has a body at all.
bool has_body(int status);

// "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
std::string date_line(WallTime now);

// "Not Found"; "" for a status without a name.
std::string_view reason(int status);

// {"error":{"code":…,"message":…,"origin":…}} with `status`, as the API's own errors.
HttpResponse error_response(int status, const Error& error);

}  // namespace canopy::net
