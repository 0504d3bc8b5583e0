#pragma once
// exec/alarm.h, as handlers know it.

#include "exec/alarm.h"

namespace canopy::api {

using exec::Alarm;

}  // namespace canopy::api
