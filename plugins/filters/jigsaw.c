// jigsaw: 4 x 4 pieces with knobs, put back in other places.
//
// The knobs look the same after a quarter turn about the middle: along the border and round the
// four inner pieces they point clockwise, between border and middle they point inwards. So
//   - the four corners fit into one another's places, each turned by the quarter turns between
//   them;
//   - so do the four inner pieces;
//   - all eight edge pieces have one shape: the two of a side differ by a shift along it.
// Each class is shuffled by the seed. A piece moves as a whole, by quarter turns and a shift of
// whole pixels, hence every pixel goes to exactly one place. SPDX-License-Identifier: MIT
#include "filters.h"

static const kiln_param params[] = {
    {"seed", KILN_INT, KILN_PARAM_POSITIONAL, "0", NULL, "chooses the arrangement", 0, 0},
};

enum { CORNERS = 4, INNER = 4, EDGES = 8 };

struct jigsaw {
    int64_t size, cell;
    int64_t corner[CORNERS], inner[INNER], edge[EDGES];  // which piece comes to this place
};

// Places of a class, clockwise from the top left, as row and column of the 4 x 4 cells.
static const int8_t corner_at[CORNERS][2] = {{0, 0}, {0, 3}, {3, 3}, {3, 0}};
static const int8_t inner_at[INNER][2] = {{1, 1}, {1, 2}, {2, 2}, {2, 1}};
static const int8_t edge_at[EDGES][2] = {{0, 1}, {0, 2}, {1, 3}, {2, 3},
                                         {3, 2}, {3, 1}, {2, 0}, {1, 0}};

// Where the knobs are before turning: those of the top side. A knob of cell (row, col) bulges over
// the cell's right (dy, dx = 0, 1) or lower (1, 0) side.
static const struct knob {
    int8_t row, col, dy, dx;
} knobs[] = {{0, 0, 0, 1}, {0, 1, 0, 1}, {0, 2, 0, 1}, {0, 1, 1, 0}, {0, 2, 1, 0}, {1, 1, 0, 1}};

// One quarter turn clockwise of a place in a square of the given size.
static void turn(int64_t size, int64_t *y, int64_t *x)
{
    int64_t old = *y;
    *y = *x;
    *x = size - 1 - old;
}

// Is the centre of pixel (y,x) under the knob? Lengths are in units of 1/16 of a pixel.
static int under(const struct knob *k, int64_t cell, int64_t y, int64_t x)
{
    int64_t side = 16 * cell, out = 2 * cell, radius = 3 * cell;
    int64_t cy = k->row * side + side / 2 + k->dy * (side / 2 + out);
    int64_t cx = k->col * side + side / 2 + k->dx * (side / 2 + out);
    int64_t py = 16 * y + 8 - cy, px = 16 * x + 8 - cx;
    return py * py + px * px < radius * radius;
}

// The cell whose piece the pixel belongs to.
static void owner(const struct jigsaw *j, int64_t y, int64_t x, int64_t *row, int64_t *col)
{
    int64_t ty = y, tx = x;
    *row = y / j->cell;
    *col = x / j->cell;
    for (int turns = 0; turns < 4; turns++) {  // by so much the pixel was turned, so far
        for (uint32_t k = 0; k < KILN_COUNT(knobs); k++) {
            if (!under(&knobs[k], j->cell, ty, tx))
                continue;
            *row = knobs[k].row;
            *col = knobs[k].col;
            for (int back = turns; back < 4 && turns; back++)
                turn(4, row, col);
            return;
        }
        turn(j->size, &ty, &tx);
    }
}

static int find(const int8_t at[][2], int n, int64_t row, int64_t col)
{
    for (int i = 0; i < n; i++)
        if (at[i][0] == row && at[i][1] == col)
            return i;
    return -1;
}

static int64_t source(const void *geometry, int64_t y, int64_t x)
{
    const struct jigsaw *j = geometry;
    int64_t row, col, turns, size = j->size;
    owner(j, y, x, &row, &col);
    int place = find(corner_at, CORNERS, row, col);
    if (place >= 0) {
        turns = j->corner[place] - place;
    } else if ((place = find(inner_at, INNER, row, col)) >= 0) {
        turns = j->inner[place] - place;
    } else {
        place = find(edge_at, EDGES, row, col);
        int64_t piece = j->edge[place];
        turns = piece / 2 - place / 2;
        // Along its side, clockwise: the shift from this place to the piece's, before the turn.
        int64_t shift = (piece % 2 - place % 2) * j->cell;
        static const int8_t along[4][2] = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}};
        y += shift * along[place / 2][0];
        x += shift * along[place / 2][1];
    }
    for (turns = (turns + 4) % 4; turns > 0; turns--)
        turn(size, &y, &x);
    return y * size + x;
}

static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    int64_t h = plan->shape[2], w = plan->shape[3];
    (void)rows;
    if (h != w || h % 4)
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "wants a square whose side is a multiple of 4, the image is %lldx%lld",
                         (long long)w, (long long)h);
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    struct jigsaw j = {.size = in->shape[2], .cell = in->shape[2] / 4};
    (void)rows;
    filters_shuffle(self->args[0].i, 1, j.corner, CORNERS);
    filters_shuffle(self->args[0].i, 2, j.inner, INNER);
    filters_shuffle(self->args[0].i, 3, j.edge, EDGES);
    return filters_remap(self, in, out, source, &j);
}

static const kiln_filter_ops ops = {.size = sizeof(ops), .plan = plan, .run = run};
const kiln_node filters_jigsaw = {
    .size = sizeof(filters_jigsaw),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "jigsaw",
    .summary = "exchange the 16 pieces of a jigsaw puzzle",
    .example = "load cat.png ! resize 128x128 ! jigsaw seed=3 ! show",
    .params = KILN_PARAMS(params),
    .filter = &ops,
};
