// SentencePiece from C. No exception leaves.
// SPDX-License-Identifier: MIT
#include "pieces.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <sentencepiece_processor.h>

struct pieces {
    sentencepiece::SentencePieceProcessor processor;
};

struct pieces *pieces_open(const char *bytes, size_t n, char *why, size_t room)
{
    pieces *p = nullptr;
    try {
        p = new pieces;
        const auto status = p->processor.LoadFromSerializedProto(absl::string_view(bytes, n));
        if (status.ok() && p->processor.GetPieceSize() > 0)
            return p;
        snprintf(why, room, "it is no SentencePiece model");
    } catch (const std::exception &e) {
        snprintf(why, room, "it is no SentencePiece model: %s", e.what());
    }
    delete p;
    return nullptr;
}

void pieces_close(struct pieces *p)
{
    delete p;
}

int32_t pieces_count(const struct pieces *p)
{
    return p->processor.GetPieceSize();
}

int32_t pieces_id(const struct pieces *p, const char *piece)
{
    return p->processor.PieceToId(piece);
}

int32_t *pieces_encode(const struct pieces *p, const char *text, size_t n, size_t *have)
{
    try {
        std::vector<int> ids;
        if (!p->processor.Encode(absl::string_view(text, n), &ids).ok())
            return nullptr;
        auto *out = static_cast<int32_t *>(malloc((ids.size() + 1) * sizeof(int32_t)));
        for (size_t i = 0; out && i < ids.size(); i++)
            out[i] = ids[i];
        *have = ids.size();
        return out;
    } catch (const std::exception &) {
        return nullptr;
    }
}
