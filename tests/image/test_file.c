// Reading and writing whole files: the texts of errors, and that a name never holds half a file.
// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "../../host/error.h"  // before cmocka, which has a macro fail()
#include "../../host/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char start[4096];

// Each test runs in an empty directory of its own.
static int enter(void **state)
{
    char *dir = strdup("/tmp/kiln-test-file-XXXXXX");
    if (!dir || !mkdtemp(dir) || chdir(dir))
        return -1;
    *state = dir;
    umask(022);
    return 0;
}

static int leave(void **state)
{
    char command[256];
    snprintf(command, sizeof(command), "chmod -R u+w %s; rm -rf %s", (char *)*state,
             (char *)*state);
    int e = chdir(start) || system(command);
    free(*state);
    return e;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void holds(const char *path, const char *text)
{
    void *bytes;
    size_t n;
    assert_int_equal(file_read(path, 0, &bytes, &n), 0);
    assert_string_equal(bytes, text);
    assert_int_equal(n, strlen(text));
    free(bytes);
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    assert_non_null(d);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void read_fails(const char *path, size_t limit, const char *text)
{
    void *bytes;
    size_t n = 1;
    assert_int_equal(file_read(path, limit, &bytes, &n), KILN_ERR_IO);
    assert_null(bytes);
    assert_int_equal(n, 0);
    assert_string_equal(fail_text(), text);
}

static void write_fails(const char *path, const char *text)
{
    assert_int_equal(file_write_atomic(path, "new", 3), KILN_ERR_IO);
    assert_string_equal(fail_text(), text);
}

static void reads_all_bytes(void **state)
{
    (void)state;
    put("empty", "");
    holds("empty", "");
    const size_t n = 300001;
    char *data = malloc(n);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(i * 7 % 251);
    assert_int_equal(file_write_atomic("large", data, n), 0);
    void *bytes;
    size_t got;
    assert_int_equal(file_read("large", n, &bytes, &got), 0);
    assert_int_equal(got, n);
    assert_memory_equal(bytes, data, n);
    free(bytes);
    free(data);
    assert_int_equal(file_read("/proc/self/status", 0, &bytes, &got), 0);  // says that it is empty
    assert_true(got > 100);
    free(bytes);
}

static void errors_of_reading_name_the_file(void **state)
{
    (void)state;
    mkdir("dir", 0755);
    put("five", "12345");
    read_fails("x.png", 0, "cannot open 'x.png': no such file or directory");
    read_fails("five/x", 0, "cannot open 'five/x': not a directory");
    read_fails("dir", 0, "cannot open 'dir': it is a directory");
    read_fails("", 0, "cannot open '': no such file or directory");
    read_fails("five", 4, "'five' is larger than 4 bytes");
    read_fails("/dev/zero", 2000000, "'/dev/zero' is larger than 2 MB");
    read_fails("/dev/fd/77", 0, "cannot open '/dev/fd/77': no such file or directory");
    holds("five", "12345");
    if (geteuid() == 0)
        return;  // may read everything
    chmod("five", 0);
    read_fails("five", 0, "cannot open 'five': permission denied");
}

static void reads_pipes_and_sockets(void **state)
{
    (void)state;
    int fd[2];
    char name[32];
    for (int kind = 0; kind < 2; kind++) {
        assert_int_equal(kind ? socketpair(AF_UNIX, SOCK_STREAM, 0, fd) : pipe(fd), 0);
        assert_int_equal(write(fd[1], "through", 7), 7);
        close(fd[1]);
        snprintf(name, sizeof(name), "/dev/fd/%d", fd[0]);
        holds(name, "through");
        close(fd[0]);
    }
    assert_int_equal(mkfifo("fifo", 0644), 0);
    pid_t child = fork();
    if (!child) {
        int out = open("fifo", O_WRONLY);
        for (int i = 0; i < 3; i++)  // in pieces
            if (write(out, "abc", 3) != 3 || usleep(1000))
                _exit(1);
        _exit(0);
    }
    holds("fifo", "abcabcabc");
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void fd_is_read_from_where_it_stands(void **state)
{
    (void)state;
    put("file", "0123456789");
    int fd = open("file", O_RDONLY);
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    void *bytes;
    size_t n;
    assert_int_equal(fd_read(fd, "file", 6, &bytes, &n), 0);
    assert_string_equal(bytes, "456789");
    free(bytes);
    close(fd);
    assert_int_equal(fd_read(fd, "closed", 0, &bytes, &n), KILN_ERR_IO);
    assert_string_equal(fail_text(), "cannot read 'closed': bad file descriptor");
}

static void writes_new_and_old_files(void **state)
{
    (void)state;
    umask(027);
    assert_int_equal(file_write_atomic("new", "one", 3), 0);
    holds("new", "one");
    assert_int_equal(mode_of("new"), 0640);
    chmod("new", 0604);
    assert_int_equal(file_write_atomic("new", "three", 5), 0);
    holds("new", "three");
    assert_int_equal(mode_of("new"), 0604);
    assert_int_equal(entries("."), 1);
    char longest[256];
    memset(longest, 'n', 255);
    longest[255] = 0;
    assert_int_equal(file_write_atomic(longest, "", 0), 0);
    holds(longest, "");
}

static void follows_links(void **state)
{
    (void)state;
    mkdir("dir", 0755);
    put("dir/target", "old");
    assert_int_equal(symlink("target", "dir/inner"), 0);
    assert_int_equal(symlink("dir/inner", "link"), 0);
    assert_int_equal(symlink("dir/missing", "dangling"), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_equal(file_write_atomic("link", "new", 3), 0);
    holds("dir/target", "new");
    assert_int_equal(file_write_atomic("dangling", "made", 4), 0);
    holds("dir/missing", "made");
    struct stat st;
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(entries("dir"), 3);
    read_fails("loop", 0, "cannot open 'loop': too many levels of symbolic links");
}

static void errors_of_writing_name_the_file(void **state)
{
    (void)state;
    mkdir("dir", 0755);
    put("file", "old");
    write_fails("dir", "cannot write 'dir': it is a directory");
    write_fails("dir/", "cannot write 'dir/': it is a directory");
    write_fails("none/x.png", "cannot write 'none/x.png': there is no directory 'none'");
    write_fails("file/x.png", "cannot write 'file/x.png': not a directory");
    write_fails("", "cannot write '': no such file or directory");
    if (!access("/dev/full", W_OK))
        write_fails("/dev/full", "cannot write '/dev/full': no space left on device");
    if (geteuid() != 0) {
        chmod("file", 0444);
        write_fails("file", "cannot write 'file': permission denied");
        chmod("dir", 0555);
        write_fails("dir/x", "cannot write 'dir/x': permission denied");
    }
    holds("file", "old");
    assert_int_equal(entries("."), 2);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    put("file", "old");
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    char data[5000] = {0};
    int e = file_write_atomic("file", data, sizeof(data));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(e, KILN_ERR_IO);
    assert_string_equal(fail_text(), "cannot write 'file': file too large");
    holds("file", "old");
    assert_int_equal(entries("."), 1);
}

static void nothing_is_seen_before_commit(void **state)
{
    (void)state;
    struct file_atomic f;
    put("file", "old");
    assert_int_equal(file_atomic_open("file", &f), 0);
    assert_int_equal(file_atomic_write(&f, "ne", 2), 0);
    holds("file", "old");
    assert_int_equal(entries("."), 2);
    assert_int_equal(file_atomic_write(&f, "w", 1), 0);
    assert_int_equal(file_atomic_commit(&f), 0);
    holds("file", "new");
    file_atomic_abort(&f);
    assert_int_equal(file_atomic_open("file", &f), 0);
    assert_int_equal(file_atomic_write(&f, "x", 1), 0);
    file_atomic_abort(&f);
    file_atomic_abort(&f);
    holds("file", "new");
    assert_int_equal(entries("."), 1);
    struct file_atomic zero = {0};
    file_atomic_abort(&zero);
    assert_true(fcntl(0, F_GETFD) >= 0 || errno == EBADF);
}

static void a_temporary_that_cannot_be_renamed_goes(void **state)
{
    (void)state;
    struct file_atomic f;
    assert_int_equal(file_atomic_open("file", &f), 0);
    mkdir("file", 0755);
    assert_int_equal(file_atomic_commit(&f), KILN_ERR_IO);
    assert_string_equal(fail_text(), "cannot write 'file': is a directory");
    assert_int_equal(entries("."), 1);
}

static void pipes_and_descriptors_are_written_directly(void **state)
{
    (void)state;
    int fd[2];
    char name[32], got[32] = "";
    assert_int_equal(pipe(fd), 0);
    snprintf(name, sizeof(name), "/dev/fd/%d", fd[1]);
    assert_int_equal(file_write_atomic(name, "piped", 5), 0);
    assert_int_equal(read(fd[0], got, sizeof(got)), 5);
    assert_string_equal(got, "piped");
    close(fd[0]);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(file_write_atomic(name, "piped", 5), KILN_ERR_IO);
    assert_int_equal(errno, EPIPE);
    close(fd[1]);
    // a shell's >> keeps what is there
    put("log", "first ");
    int log = open("log", O_WRONLY | O_APPEND);
    snprintf(name, sizeof(name), "/dev/fd/%d", log);
    assert_int_equal(file_write_atomic(name, "second", 6), 0);
    close(log);
    holds("log", "first second");
    assert_int_equal(entries("."), 1);
}

static void on_signal(int number)
{
    file_cleanup_temporaries();
    _exit(128 + number);
}

static void a_signal_leaves_no_temporary(void **state)
{
    (void)state;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t child = fork();
    if (!child) {
        struct file_atomic a, b, done;
        signal(SIGTERM, on_signal);
        if (file_atomic_open("a", &a) || file_atomic_open("b", &b) ||
            file_atomic_open("done", &done) || file_atomic_commit(&done) ||
            file_atomic_write(&a, "half", 4) || write(fd[1], "!", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char ready;
    close(fd[1]);
    assert_int_equal(read(fd[0], &ready, 1), 1);
    close(fd[0]);
    assert_int_equal(entries("."), 3);
    kill(child, SIGTERM);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
    assert_int_equal(entries("."), 1);
    holds("done", "");
}

static int yes(void)
{
    return 1;
}

static void nothing(int number)
{
    (void)number;
}

static void an_interruption_gives_up(void **state)
{
    (void)state;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    struct sigaction action = {.sa_handler = nothing};  // without SA_RESTART
    sigaction(SIGUSR1, &action, NULL);
    pid_t parent = getpid(), child = fork();
    if (!child)
        for (;;) {  // until the reader has gone, whenever it came to wait
            usleep(20000);
            if (kill(parent, SIGUSR1))
                _exit(0);
        }
    file_interrupted = yes;
    void *bytes;
    size_t n;
    int e = fd_read(fd[0], "pipe", 0, &bytes, &n);
    file_interrupted = NULL;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    assert_int_equal(e, KILN_ERR_CANCEL);
    assert_string_equal(fail_text(), "interrupted");
    assert_null(bytes);
    close(fd[0]);
    close(fd[1]);
}

#define in_directory(f) cmocka_unit_test_setup_teardown(f, enter, leave)

int main(void)
{
    if (!getcwd(start, sizeof(start)))
        return 1;
    const struct CMUnitTest tests[] = {
        in_directory(reads_all_bytes),
        in_directory(errors_of_reading_name_the_file),
        in_directory(reads_pipes_and_sockets),
        in_directory(fd_is_read_from_where_it_stands),
        in_directory(writes_new_and_old_files),
        in_directory(follows_links),
        in_directory(errors_of_writing_name_the_file),
        in_directory(a_full_disk_leaves_the_old_file),
        in_directory(nothing_is_seen_before_commit),
        in_directory(a_temporary_that_cannot_be_renamed_goes),
        in_directory(pipes_and_descriptors_are_written_directly),
        in_directory(a_signal_leaves_no_temporary),
        in_directory(an_interruption_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
