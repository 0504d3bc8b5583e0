#include "mucpd/runner.h"

#include <algorithm>
#include <charconv>

#include "mucpd/names.h"

namespace canopy::mucpd {
namespace {

// What it uses later is taken before the function has had a chance to change it. The source is evaluated in
// the words of MUCPD: as the value of a constant of a script, so that what follows a function there follows
// it here.
constexpr std::string_view runner = R"js(const {process} = globalThis;
const {parse, stringify} = JSON;
const text = String;
const evaluate = eval;
const isArray = Array.isArray;
const reject = (reason) => Promise.reject(reason);
const wellFormed = Function.prototype.call.bind(String.prototype.toWellFormed);
const tag = Function.prototype.call.bind(Object.prototype.toString);
const marks = /\x01([01])/g;

const show = (value) => {
  try {
    return wellFormed(text(value));
  } catch {
    return tag(value);
  }
};

const typeOf = (value) => value === null ? 'null' : isArray(value) ? 'array' : typeof value;

const typed = (value) => {
  const type = '{"ok":true,"type":"' + typeOf(value) + '"';
  try {
    const json = stringify(value);
    return json === undefined ? type + '}' : type + ',"value":' + json + '}';
  } catch {
    return type + '}';
  }
};

const failed = (error) => {
  const is = error instanceof Error;
  const part = (name) => {
    try {
      const value = error[name];
      return typeof value === 'string' ? wellFormed(value) : undefined;
    } catch {
      return undefined;
    }
  };
  return stringify({ok: false, type: typeOf(error),
                    error: is ? {name: part('name'), message: part('message'), stack: part('stack')}
                              : {message: show(error)}});
};

export default async (...given) => {
  let value;
  let line;
  try {
    let source = process.env.MUCPD_SOURCE ?? 'undefined';
    if (source.includes('\x01')) source = source.replace(marks, (_, digit) => digit === '1' ? '\x01' : '\0');
    const argv = given.length === 1 && typeof given[0] === 'string' ? parse(given[0]) : given;
    globalThis.argv = argv;
    globalThis.result = undefined;
    globalThis.promise = undefined;
    const fn = evaluate('const fn = ' + source + ';\nfn');
    const promise = typeof fn === 'function' ? fn(...argv) : reject(new TypeError('fn is not a function'));
    globalThis.promise = promise;
    value = await promise;
    line = typed(value);
  } catch (error) {
    value = error;
    line = failed(error);
  }
  return stringify(show(value)) + '\n' + line;
};
)js";

// No variable holds a NUL, and a text may.
std::string without_nul(std::string_view source) {
  std::string kept;
  kept.reserve(source.size());
  for (const char c : source) {
    if (c == '\0') {
      kept +=
          "\x01"
          "0";
    } else if (c == '\x01') {
      kept +=
          "\x01"
          "1";
    } else {
      kept += c;
    }
  }
  return kept;
}

std::string with_nul(std::string_view kept) {
  std::string source;
  source.reserve(kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] == '\x01' && i + 1 < kept.size()) {
      source += kept[++i] == '1' ? '\x01' : '\0';
    } else {
      source += kept[i];
    }
  }
  return source;
}

std::string variable(const Function& function, std::string_view name) {
  const auto at = function.env.find(std::string(name));
  return at == function.env.end() ? std::string() : at->second;
}

// 0 where it is none.
std::int64_t number(const Function& function, std::string_view name) {
  const std::string text = variable(function, name);
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string_view runner_source() { return runner; }

Function make_function(std::string_view user, std::string_view name, std::string_view source,
                       Duration timeout) {
  Function made;
  made.name = function_of(user, name);
  made.runtime = "js";
  made.limits.timeout = timeout;
  made.env = {{std::string(user_variable), std::string(user)},
              {std::string(function_variable), std::string(name)},
              {std::string(source_variable), without_nul(source)}};
  return made;
}

Function make_marker(std::string_view user, const Registered& registered) {
  Function made;
  made.name = marker_of(user);
  made.runtime = "js";
  made.env = {{std::string(user_variable), std::string(user)},
              {std::string(day_variable), std::to_string(registered.day)},
              {std::string(used_variable), std::to_string(registered.used_before.count())}};
  return made;
}

std::optional<std::string> source_of(const Function& function) {
  const auto at = function.env.find(std::string(source_variable));
  if (at == function.env.end() || !function.env.contains(std::string(function_variable))) return std::nullopt;
  return with_nul(at->second);
}

std::string name_of(const Function& function) { return variable(function, function_variable); }

Registered registered_of(const Function& marker) {
  return {.day = number(marker, day_variable), .used_before = Duration(number(marker, used_variable))};
}

}  // namespace canopy::mucpd
