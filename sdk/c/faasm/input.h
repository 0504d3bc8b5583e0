#pragma once
// Input and output as text and numbers, for C++ functions written for Faasm, under its names. What these
// return was allocated with new[]; it lives until the call ends, or until you delete[] it.

#include <stdlib.h>
#include <string.h>

#include "faasm/core.h"

#ifdef __cplusplus
namespace faasm {

/* The input as text, or `default_value` where there is none. */
inline const char* getStringInput(const char* default_value) {
  const long size = faasmGetInputSize();
  if (size <= 0) return default_value;
  char* const text = new char[static_cast<size_t>(size) + 1];
  faasmGetInput(reinterpret_cast<uint8_t*>(text), size);
  text[size] = '\0';
  return text;
}

/* Makes the text the call's output. */
inline void setStringOutput(const char* text) { faasmSetOutput(text, static_cast<long>(strlen(text))); }

/* The input as a decimal number, or 0 where it is none. */
inline int getIntInput() {
  const char* const text = getStringInput(nullptr);
  if (text == nullptr) return 0;
  const int number = atoi(text);
  delete[] text;
  return number;
}

/* The first `count` numbers of a text in which blanks separate them; 0 for those that are missing. */
inline int* parseStringToIntArray(const char* text, int count) {
  int* const numbers = new int[static_cast<size_t>(count > 0 ? count : 0)];
  for (int i = 0; i < count; ++i) {
    char* end = nullptr;
    numbers[i] = static_cast<int>(strtol(text, &end, 10));
    text = end;
  }
  return numbers;
}

}  // namespace faasm
#endif
