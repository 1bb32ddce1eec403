// SPDX-License-Identifier: MIT
#include "error.h"

#include <ctype.h>
#include <string.h>

static _Thread_local char text[2048];

int fail(int code, const char *format, ...)
{
    char next[sizeof(text)];  // arguments may point into text
    va_list ap;
    va_start(ap, format);
    vsnprintf(next, sizeof(next), format, ap);
    va_end(ap);
    memcpy(text, next, sizeof(text));
    for (char *p = text; *p; p++)  // one line, whatever a file name or a plugin puts in
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return code;
}

int fail_in(int code, const char *format, ...)
{
    char prefix[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(prefix, sizeof(prefix), format, ap);
    va_end(ap);
    return fail(code, "%s: %s", prefix, text);
}

const char *fail_text(void)
{
    return text;
}

const char *errno_text(int err)
{
    static _Thread_local char buffer[128];
    const char *s = strerror(err);
    snprintf(buffer, sizeof(buffer), "%s", s ? s : "unknown error");
    if (isupper((unsigned char)buffer[0]) && !isupper((unsigned char)buffer[1]))
        buffer[0] = (char)tolower((unsigned char)buffer[0]);
    return buffer;
}
