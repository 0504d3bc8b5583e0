#include "js/fetch_calls.h"

#include <array>
#include <utility>

namespace canopy::js {
namespace {

constexpr std::size_t headers_max = 200;

// The text up to the next NUL, and what follows.
std::optional<std::string_view> take(std::string_view& text) {
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view piece = text.substr(0, end);
  text.remove_prefix(end + 1);
  return piece;
}

void add(std::string_view text, std::string& out) { out.append(text).append(1, '\0'); }

}  // namespace

Result<FetchRequest> read_fetch_request(std::string_view text) {
  const auto bad = [] { return fail(Code::invalid, "fetch: what was sent is no request"); };
  FetchRequest request;
  const std::array<std::string*, 3> fields = {&request.method, &request.url, &request.redirect};
  for (std::string* const field : fields) {
    const auto piece = take(text);
    if (!piece) return bad();
    *field = *piece;
  }
  for (;;) {
    const auto name = take(text);
    if (!name || request.headers.size() > headers_max) return bad();
    if (name->empty()) break;
    const auto value = take(text);
    if (!value) return bad();
    request.headers.push_back({std::string(*name), std::string(*value)});
  }
  request.body = text;
  return request;
}

std::string write_fetch_answer(const Result<FetchResponse>& response) {
  std::string out;
  if (!response) {
    add("0", out);
    return out + response.error().message;
  }
  add(std::to_string(response->status), out);
  add(response->url, out);
  add(response->redirected ? "1" : "", out);
  for (const net::HttpHeader& header : response->headers) {
    add(header.name, out);
    add(header.value, out);
  }
  out += '\0';
  return out + response->body;
}

FetchCalls::~FetchCalls() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->closed = true;  // What is still on its way is nobody's.
  mailbox_->arrived.clear();
}

std::int32_t FetchCalls::refuse(std::int32_t number, Error error) {
  std::string answer = write_fetch_answer(tl::unexpected(std::move(error)));
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->kept_bytes += answer.size();
  mailbox_->arrived.emplace(number, std::move(answer));
  return number;
}

std::int32_t FetchCalls::start(const Result<FetchRequest>& request, const std::string& hosts, Time deadline,
                               const Clock& clock, std::function<void()> wake) {
  const std::int32_t number = ++count_;
  if (!request) return refuse(number, request.error());
  if (number > static_cast<std::int32_t>(fetches_per_call_max)) {
    return refuse(
        number,
        {Code::exhausted, "a call may fetch " + std::to_string(fetches_per_call_max) + " times", Stage::run});
  }
  std::uint64_t sent_bytes = request->body.size();
  for (const auto& [other, bytes] : sent_bytes_) sent_bytes += bytes;
  if (sent_bytes > fetch_bytes_max) {
    return refuse(
        number,
        {Code::limit, "a call may send " + size_text(fetch_bytes_max) + " at once; wait for an answer first",
         Stage::run});
  }
  const auto done = [mailbox = mailbox_, number,
                     wake = std::move(wake)](const Result<FetchResponse>& response) {
    std::string answer = write_fetch_answer(response);
    {
      const std::lock_guard lock(mailbox->mutex);
      if (mailbox->closed) return;
      if (mailbox->kept_bytes + answer.size() > fetch_bytes_max) {
        answer = write_fetch_answer(fail(
            Code::limit, "the call has not read " + size_text(fetch_bytes_max) + " of other answers yet"));
      }
      mailbox->kept_bytes += answer.size();
      mailbox->arrived.emplace(number, std::move(answer));
    }
    if (wake) wake();
  };
  if (fetcher_->start(*request, hosts, deadline, clock, done)) {
    sent_bytes_.emplace(number, request->body.size());
    return number;
  }
  return refuse(number, {Code::exhausted, "too many functions fetch at once; try again shortly", Stage::run});
}

std::int32_t FetchCalls::next_answered() {
  const std::lock_guard lock(mailbox_->mutex);
  if (mailbox_->arrived.empty()) return 0;
  auto first = mailbox_->arrived.extract(mailbox_->arrived.begin());
  const std::int32_t number = first.key();
  answers_.insert(std::move(first));
  sent_bytes_.erase(number);
  return number;
}

void FetchCalls::drop(std::int32_t number) {
  const auto at = answers_.find(number);
  if (at == answers_.end()) return;
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->kept_bytes -= at->second.size();
  answers_.erase(at);
}

const std::string* FetchCalls::answer(std::int32_t number) const {
  const auto at = answers_.find(number);
  return at == answers_.end() ? nullptr : &at->second;
}

}  // namespace canopy::js
