// SPDX-License-Identifier: MIT
#include "log.h"

#include <kiln/base.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "runtime.h"

void log_line(int level, const char *format, ...)
{
    char text[2100] = "kiln: ";
    if ((level == KILN_LOG_DEBUG && !runtime.verbose) || (level == KILN_LOG_INFO && runtime.quiet))
        return;
    va_list ap;
    va_start(ap, format);
    vsnprintf(text + 6, sizeof(text) - 7, format, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    size_t n = strlen(text);
    text[n++] = '\n';
    progress_erase();
    (void)!write(STDERR_FILENO, text, n);  // one call, so that lines of several stages do not mix
}
