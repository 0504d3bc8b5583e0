/* Never ends. */
int main(void) {
  volatile unsigned long turns = 0;
  while (1) ++turns;
}
