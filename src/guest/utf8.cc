#include "guest/utf8.h"

#include <cstddef>
#include <cstdint>

namespace canopy::guest {
namespace {

// How many bytes follow the first one, and the least and most that the second one may be.
struct Form {
  std::size_t more = 0;
  unsigned least = 0x80;
  unsigned most = 0xbf;
};

bool form_of(unsigned first, Form& form) {
  if (first < 0x80) return true;
  if (first < 0xc2 || first > 0xf4) return false;
  form.more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  if (first == 0xe0) form.least = 0xa0;
  if (first == 0xed) form.most = 0x9f;
  if (first == 0xf0) form.least = 0x90;
  if (first == 0xf4) form.most = 0x8f;
  return true;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    Form form;
    if (!form_of(static_cast<unsigned char>(bytes[at]), form)) return false;
    if (form.more >= bytes.size() - at) return false;
    for (std::size_t i = 1; i <= form.more; ++i) {
      const unsigned byte = static_cast<unsigned char>(bytes[at + i]);
      if (byte < form.least || byte > form.most) return false;
      form.least = 0x80;
      form.most = 0xbf;
    }
    at += form.more + 1;
  }
  return true;
}

}  // namespace canopy::guest
