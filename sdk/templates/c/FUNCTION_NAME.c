/* Answers with a greeting. The call's input is standard input, the reply standard output. */

#include <stdio.h>
#include <string.h>

int main(void) {
  char name[256];
  size_t size = fread(name, 1, sizeof name - 1, stdin);
  while (size > 0 && name[size - 1] == '\n') --size;
  name[size] = '\0';
  fprintf(stderr, "greeting %zu bytes\n", size); /* Goes to the call's log. */
  printf("Hello, %s!\n", size > 0 ? name : "world");
  return 0;
}
