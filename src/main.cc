#include <iostream>

#include "version.h"

int main() {
  std::cout << "canopy " CANOPY_VERSION "\n";
  return 0;
}
