/* Greets whoever the input names, as an ordinary program: standard input in, standard output out. */

#include <stdio.h>
#include <string.h>

int main(void) {
  char name[256];
  size_t size = fread(name, 1, sizeof name - 1, stdin);
  while (size > 0 && name[size - 1] == '\n') --size;
  name[size] = '\0';
  printf("Hello, %s!\n", size > 0 ? name : "world");
  return 0;
}
