#pragma once
// For functions written for Faasm: see core.h.

#include "faasm/core.h"
