#pragma once
// The bodies of both POSTs, judged as FastAPI and pydantic judged them by the models of the course. What does
// not fit is answered in their words.

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "builders/uuid.h"
#include "net/http.h"

namespace canopy::builders {

struct Registration {
  std::string name;
  std::string payload;
  // The Python that serialised it, "3.12", if the client says so: FaaS Builders knew no such field.
  std::optional<std::string> python;
};

struct Execution {
  Uuid function;
  std::string payload;
};

// 422 with what is wrong, or 400 for what could not even be read.
tl::expected<Registration, net::HttpResponse> read_registration(const net::HttpRequest& request);
tl::expected<Execution, net::HttpResponse> read_execution(const net::HttpRequest& request);

// 422 for an id in a path that is none.
tl::expected<Uuid, net::HttpResponse> read_task(const std::string& text);

}  // namespace canopy::builders
