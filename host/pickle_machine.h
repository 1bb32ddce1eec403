// Between the two halves of the pickle machine: operations, and what the known names do.
// SPDX-License-Identifier: MIT
#ifndef HOST_PICKLE_MACHINE_H
#define HOST_PICKLE_MACHINE_H

#include "pickle.h"

// Operations, as in pickletools of Python. Those that are not here are refused: older text forms,
// instances of classes, codes of extensions.
enum op {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    OP_BINFLOAT = 'G',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_BINSTRING = 'T',
    OP_SHORT_BINSTRING = 'U',
    OP_BINUNICODE = 'X',
    OP_EMPTY_LIST = ']',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_APPENDS = 'e',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_SETITEMS = 'u',
    OP_EMPTY_DICT = '}',
    OP_EMPTY_TUPLE = ')',
    OP_PROTO = 0x80,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2,
    OP_TUPLE3,
    OP_TRUE,
    OP_FALSE,
    OP_LONG1,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8,
    OP_BINBYTES8,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE,
    OP_FRAME,
};

// The operation under way, what it works on, and what was made so far.
struct machine {
    const unsigned char *p, *begin, *end;  // the next operation; the whole pickle
    struct pickle out;
    uint32_t *stack, depth;
    uint32_t *memo, memo_room;
    uint32_t memo_next;  // of MEMOIZE
};

int pickle_bad(const char *what);
uint32_t pickle_new(struct machine *m, enum pickle_kind kind);  // the index of a new value
// Finds a name or refuses it; *index is what PICKLE_GLOBAL holds.
int pickle_global(const struct machine *m, const char *module, size_t module_n, const char *name,
                  size_t name_n, int64_t *index);
// f(arguments); *result is a value.
int pickle_call(struct machine *m, uint32_t f, uint32_t arguments, uint32_t *result);
// The storage that a persistent id stands for.
int pickle_persistent(struct machine *m, uint32_t id, uint32_t *result);

#endif
