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

bool FetchCalls::Mailbox::hold(std::uint64_t bytes) {
  if (held_bytes + bytes > holder.options().held_bytes_max_per_call || !holder.hold(bytes)) return false;
  held_bytes += bytes;
  return true;
}

void FetchCalls::Mailbox::put_error(std::int32_t number, Error error) {
  std::string text = write_fetch_answer(tl::unexpected(std::move(error)));
  held_bytes += text.size();
  holder.hold_anyway(text.size());
  arrived.emplace(number, std::move(text));
}

void FetchCalls::Mailbox::let_go(std::uint64_t bytes) {
  held_bytes -= bytes;
  holder.let_go(bytes);
}

FetchCalls::~FetchCalls() {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->closed = true;  // What is still on its way is nobody's, but for the body of its request.
  for (const auto* const kept : {&mailbox_->arrived, &answers_}) {
    for (const auto& [number, text] : *kept) mailbox_->let_go(text.size());
  }
  mailbox_->arrived.clear();
}

std::int32_t FetchCalls::refuse(std::int32_t number, Error error) {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->put_error(number, std::move(error));
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
  const std::uint64_t sent_bytes = request->body.size();
  const auto too_much = [most = fetcher_->options().held_bytes_max_per_call](std::string_view what) {
    return Error{Code::exhausted,
                 std::string(what) + ": bodies to be sent and answers not read may have " + size_text(most) +
                     " together; read some first",
                 Stage::run};
  };
  {
    std::unique_lock lock(mailbox_->mutex);
    if (!mailbox_->hold(sent_bytes)) {
      lock.unlock();
      return refuse(number, too_much("too much is on its way"));
    }
  }
  const auto done = [mailbox = mailbox_, number, sent_bytes, too_much,
                     wake = std::move(wake)](const Result<FetchResponse>& response) {
    std::string text = write_fetch_answer(response);
    {
      const std::lock_guard lock(mailbox->mutex);
      mailbox->let_go(sent_bytes);
      if (mailbox->closed) return;
      if (mailbox->hold(text.size())) {
        mailbox->arrived.emplace(number, std::move(text));
      } else {
        mailbox->put_error(number, too_much("its answer came while others lay there unread"));
      }
    }
    if (wake) wake();
  };
  if (fetcher_->start(*request, hosts, deadline, clock, done)) return number;
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->let_go(sent_bytes);
  }
  return refuse(number, {Code::exhausted, "too many functions fetch at once; try again shortly", Stage::run});
}

std::int32_t FetchCalls::next_answered() {
  const std::lock_guard lock(mailbox_->mutex);
  if (mailbox_->arrived.empty()) return 0;
  auto first = mailbox_->arrived.extract(mailbox_->arrived.begin());
  const std::int32_t number = first.key();
  answers_.insert(std::move(first));
  return number;
}

const std::string* FetchCalls::answer(std::int32_t number) const {
  const auto at = answers_.find(number);
  return at == answers_.end() ? nullptr : &at->second;
}

void FetchCalls::drop(std::int32_t number) {
  const auto at = answers_.find(number);
  if (at == answers_.end()) return;
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->let_go(at->second.size());
  }
  answers_.erase(at);
}

}  // namespace canopy::js
