/* Shows what it was given: arguments, the environment, and the files that the input names, one to a line. */
#include <stdio.h>
#include <string.h>

extern char **environ;

int main(int count, char **arguments) {
  for (int i = 1; i < count; ++i) printf("argument %s\n", arguments[i]);
  for (char **one = environ; one && *one; ++one) {
    if (strncmp(*one, "TEST_", 5) == 0) printf("variable %s\n", *one);
  }
  char line[256];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = '\0';
    FILE *file = fopen(line, "r");
    char content[256] = {0};
    if (file) fread(content, 1, sizeof content - 1, file);
    printf("%s: %s\n", line, file ? content : "cannot be opened");
    if (file) fclose(file);
  }
  return 0;
}
