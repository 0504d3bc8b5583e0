#pragma once
// A small host for this folder's tests: module "test", with one function for each way a call can go.

#include "wasm/host.h"

namespace canopy::wasm {

//   input_size() -> i32       output(pointer, size)      log(pointer, size)
//   exit(code)                fail()                     sleep_ms(i32) -> i32 (42 after it)
//   now() -> i64              refused while a start-up is prepared
Host make_test_host();

}  // namespace canopy::wasm
