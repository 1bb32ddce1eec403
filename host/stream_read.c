// SPDX-License-Identifier: MIT
#include <jansson.h>
#include <string.h>

#include "document.h"
#include "error.h"

static int upstream_error(struct stream_reader *r, const char *text)
{
    json_t *j = json_loads(text, 0, NULL);
    const char *message = json_string_value(json_object_get(j, "message"));
    r->upstream_failed = 1;
    r->ended = 1;
    int e = fail(KILN_ERR_IO, "upstream: %s", message ? message : "failed");
    json_decref(j);
    return e;
}

// A document of the stream that failed above, with --keep-going there; it takes its place.
static int pass_note(struct stream_reader *r, const struct st_header *h)
{
    json_t *j = json_loads(st_string(h, "kiln.note"), 0, NULL);
    const char *message = json_string_value(json_object_get(j, "message"));
    int64_t docs = -1;
    int e = document_number(h, "kiln.docs", &docs);
    if (!e && r->note)
        e = r->note(r->ctx, r->count, docs, message ? message : "failed");
    json_decref(j);
    r->docs = docs;
    r->count++;
    return e;
}

static int read_next(struct stream_reader *r, struct state **out, int *again)
{
    struct document d;
    *again = 0;
    if (r->ended)
        return KILN_END;
    int e = document_read(r, &d);
    if (e == KILN_END) {
        r->ended = 1;
        if (r->docs >= 0 && r->count == r->docs)
            return KILN_END;
        r->upstream_failed = 1;
        if (!r->count)
            return fail(KILN_ERR_IO, "%s is empty: the stage above gave nothing", r->name);
        return r->docs >= 0 ? fail(KILN_ERR_IO, "upstream: cut off after document %lld of %lld",
                                   (long long)r->count, (long long)r->docs)
                            : fail(KILN_ERR_IO, "upstream: cut off after document %lld",
                                   (long long)r->count);
    }
    if (e) {
        r->ended = 1;
        return e;
    }
    const char *version = st_string(&d.head, "kiln.stream"), *doc = st_string(&d.head, "kiln.doc");
    int64_t place = 0;
    if (st_string(&d.head, "kiln.error")) {
        e = upstream_error(r, st_string(&d.head, "kiln.error"));
        document_free(&d);
        return e;
    }
    if (st_string(&d.head, "kiln.end")) {
        int64_t n = -1;
        r->ended = 1;
        e = parse_int(st_string(&d.head, "kiln.end"), &n) && n == r->count
                ? KILN_END
                : fail(KILN_ERR_IO, "%s ends after %lld documents, and says it had %lld", r->name,
                       (long long)r->count, (long long)n);
        document_free(&d);
        ssize_t got = e == KILN_END ? stream_bytes(r, &(char){0}, 1) : 0;
        return got < 0 ? (int)got
               : got
                   ? fail(KILN_ERR_IO, "%s goes on after its end: two streams were joined", r->name)
                   : e;
    }
    if (st_string(&d.head, "kiln.note")) {
        e = pass_note(r, &d.head);
        document_free(&d);
        *again = !e;
        return e;
    }
    if (version && strcmp(version, "1"))
        e = fail(KILN_ERR_IO, "%s is of version '%s', this kiln reads 1", r->name, version);
    else if (doc && (!parse_int(doc, &place) || place != r->count))
        e = fail(KILN_ERR_IO, "%s has document '%s' where %lld was expected", r->name, doc,
                 (long long)r->count);
    else if ((e = document_state(&d, out)))
        fail_in(e, "%s", r->name);
    document_free(&d);
    if (e) {
        r->ended = 1;
        return e;
    }
    int64_t docs = (*out)->docs;
    if (!version && docs < 0)  // not written by kiln: one document
        docs = (*out)->docs = 1;
    if (r->docs >= 0 && docs != r->docs) {
        state_free(*out);
        r->ended = 1;
        return fail(KILN_ERR_IO, "%s: document %lld is of another stream", r->name,
                    (long long)r->count);
    }
    r->docs = docs;
    r->count++;
    if (docs >= 0 && r->count > docs) {
        state_free(*out);
        r->ended = 1;
        return fail(KILN_ERR_IO, "%s has more than the %lld documents that it says", r->name,
                    (long long)docs);
    }
    return KILN_OK;
}

int stream_read(struct stream_reader *r, struct state **out)
{
    int again, e;
    do
        e = read_next(r, out, &again);
    while (again);
    return e;
}
