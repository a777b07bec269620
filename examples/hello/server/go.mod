module example.com/hello

// Only the language version: no `toolchain` line, so that the compiler in the tool chain image is
// the one that runs, whatever its patch release, and go never downloads another.
go 1.24
