// Linked into every program of a coverage build, with -Wl,--wrap: the counts are written at exit(), and a
// process that was forked to be a guardian or a test's host ends by _exit() or _Exit(), as it must.

extern "C" {

void __gcov_dump();
[[noreturn]] void __real__exit(int status);
[[noreturn]] void __wrap__exit(int status);
[[noreturn]] void __wrap__Exit(int status);

void __wrap__exit(int status) {
    __gcov_dump();
    __real__exit(status);
}

void __wrap__Exit(int status) {
    __wrap__exit(status);
}
}
