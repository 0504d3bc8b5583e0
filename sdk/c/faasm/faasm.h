#ifndef CANOPY_FAASM_FAASM_H
#define CANOPY_FAASM_FAASM_H
/* For functions written for Faasm: see core.h. */

#include "faasm/core.h"

#endif
