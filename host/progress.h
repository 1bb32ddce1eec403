// The progress line on a terminal: one line for all processes of a pipe, gone at the end.
// SPDX-License-Identifier: MIT
#ifndef HOST_PROGRESS_H
#define HOST_PROGRESS_H

// A piece of work named what begins. Pieces nest; the outermost is drawn.
void progress_begin(const char *what);
// done in [0,1] of the innermost piece; note may be NULL. Draws at most ten times a second, and
// only when standard error is a terminal and half a second has passed. Returns KILN_ERR_CANCEL when
// the work is to stop: a signal came, or nobody reads standard output any more.
int progress_at(double done, const char *note);
void progress_end(void);
// Around anything else that goes to standard error: takes the line away.
void progress_erase(void);
// From now on standard output is a pipe whose reader may go away.
void progress_watch_output(void);
int progress_reader_gone(void);

#endif
