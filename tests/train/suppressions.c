// What fontconfig keeps until the end, under cairo's text: not for the leak checker.
// SPDX-License-Identifier: MIT
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}
