# The two commands of a newcomer are `make run` and `make test`; each installs what this machine lacks first.
.PHONY: run test lint bench image setup-run setup-test
# Two at once would fight for apt's and Cargo's locks.
.NOTPARALLEL:

# A complete provider on http://localhost:8080, with a demo application; its data is kept in .signet/.
run: setup-run
	cargo run -- dev

# Everything that continuous integration runs: lint, unit, integration, third-party clients, browser.
test: setup-test lint
	cargo build --manifest-path examples/rust-actix/Cargo.toml --target-dir target/examples
	cargo test

lint: setup-run
	cargo fmt --check
	cargo fmt --check --manifest-path examples/rust-actix/Cargo.toml
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	@if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources; \
	else echo "lint: cargo-deny is not installed, so licences and sources are not checked (cargo install cargo-deny)"; fi

# Every figure a ratio to a limit that is measured in the same run.
bench: setup-run
	cargo bench --bench limits

image:
	docker build --tag signet .

setup-run:
	@.ci/install run

setup-test:
	@.ci/install test
