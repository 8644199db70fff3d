/* Calls that this project does not use: each has an unbounded, racy or silent way to fail.
 * Force-included in every translation unit (Makefile), after the system's headers below, so that a
 * use does not compile. */
#ifndef CRYPTO_BANNED_H
#define CRYPTO_BANNED_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#undef alloca /* a macro in the system's header */
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok gets atoi atol alloca
#pragma GCC poison mktemp tmpnam localtime gmtime ctime asctime rand srand

#endif
