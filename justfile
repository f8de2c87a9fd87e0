# The commands people need. `just` alone lists them.

default:
    @just --list

# rewrite the sources in the one form
fmt:
    cargo fmt --all

# what CI demands of the sources
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo check -p authdex-scanner --no-default-features

# tests that need nothing installed (SQLite only)
test:
    cargo test --workspace

# everything, with Postgres and a browser; installs what is missing
test-all:
    tests/run

# site, scheduler and crawler on the embedded database
run *ARGS:
    cargo run --release -- serve {{ARGS}}

# one server, now
scan URL *ARGS:
    cargo run --release -- scan {{URL}} {{ARGS}}

# the sample fleet and its site
demo:
    cargo run --release -- demo

# look through changed snapshots
review:
    cargo insta review

# write the corpus of cases anew, the verdicts on new evidence, and docs/accuracy.md
corpus:
    AUTHDEX_WRITE_CORPUS=1 cargo test -p authdex-scanner --lib corpus
    AUTHDEX_WRITE_CORPUS=1 cargo test -p authdex-scanner --features fleet --test scanner_tests mutants
    cargo run -- accuracy tests/corpus --write --format text
    cargo run -- accuracy tests/corpus --format markdown | cat docs/accuracy.head.md - > docs/accuracy.md

# write docs/checks.md from the catalogue
catalogue:
    cargo run -q -- checks --format markdown > docs/checks.md

# write docs/openapi.json from the code
openapi:
    AUTHDEX_WRITE_OPENAPI=1 cargo test -q -p authdex --test site_tests the_description_is_checked_in

# an empty pair of migration files
migration NAME:
    #!/usr/bin/env sh
    n=$(printf '%04d' $(( $(ls migrations/sqlite | wc -l) + 1 )))
    touch "migrations/sqlite/${n}_{{NAME}}.sql" "migrations/postgres/${n}_{{NAME}}.sql"

# every reader against made-up input, SECONDS for each
fuzz SECONDS="3" *TARGETS:
    tests/fuzz/run {{SECONDS}} {{TARGETS}}

# ratios to their floors
bench:
    cargo bench -p authdex-scanner --bench scan
    cargo bench -p authdex-scanner --bench scan -- memory
    cargo bench -p authdex-store --bench store

# the whole list of the official registry, crawled twice on both engines against simulated hosts
rehearse:
    TEST_POSTGRES_URL="$(tests/support/postgres.sh start)" cargo bench -p authdex --bench real_list

# exactly what CI runs
ci:
    .ci/run
