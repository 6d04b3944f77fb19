# shellcheck shell=bash
# A release: its files, made from the last commit and checked. Sourced by ./run, after debian.sh.

# ./run release [--check]: makes the source tarball, the Debian packages and the npm package in .run/release, and checks
# them. With --check it only reports what keeps this commit from being a release.
cmd_release() {
  local version problems
  case ${1-} in '' | --check) ;; *) die "Usage: ./run release [--check]" ;; esac
  version=$(release_version)
  problems=$(release_problems "$version")
  [[ -z $problems ]] || die "This commit cannot be release $version:" "$problems"
  say "$version: the tree is clean, versions agree, CHANGELOG.md has its section, the tag v$version is free or here."
  [[ ${1-} != --check ]] || return 0
  rm -rf -- "$run_dir/release"
  mkdir -p -- "$run_dir/release"
  need_node
  step "source tarball" release-source release_files source "$version"
  step "npm package" release-npm release_files npm "$version"
  cmd_packages bookworm trixie
  step "Debian packages, checksums" release-sums release_files collect "$version"
  say "Release $version: $run_dir/release" "Then: git tag -s v$version && git push origin v$version"
}

release_files() { bash tools/release-files.sh "$1" "$2" "$run_dir"; }

release_version() { sed -n 's/.*kVersion\[\] = "\([0-9.]*\)".*/\1/p' core/version.hpp; }

# Prints each reason against a release of HEAD on a line.
release_problems() {
  local tagged section
  [[ -z $(git status --porcelain 2>&1) ]] || echo "- The tree is not clean: git status"
  bash tests/lint/version.sh || true
  tagged=$(git rev-parse -q --verify "refs/tags/v$1^{commit}" || true)
  [[ -z $tagged || $tagged == $(git rev-parse HEAD) ]] || echo "- The tag v$1 exists, and is another commit: $tagged"
  section=$(changelog_section "$1")
  [[ $section == *[[:alnum:]]* ]] || echo "- CHANGELOG.md has no section '## [$1] - YYYY-MM-DD', or an empty one"
  section=$(changelog_section Unreleased)
  [[ $section != *[[:alnum:]]* ]] || echo "- CHANGELOG.md has lines under [Unreleased]: cut them into the section [$1]"
  text_problems "$1"
  [[ $(sed -n 's/^\\set latest //p' sql/install.sql) == "$(newest_migration)" ]] ||
    echo "- sql/install.sql: latest is not the number of the newest migration"
}

# Prints what the cut of the changelog leaves to be edited by hand: each of these texts is right before the release, and
# wrong in it.
text_problems() {
  local date packaged line
  date=$(release_date "$1")
  packaged=$(date -u -d "$(sed -n '/^ -- /{s/.*>  //p;q}' debian/changelog)" +%F)
  [[ -z $date || $packaged == "$date" ]] ||
    echo "- debian/changelog: its last line has the date $packaged, the section in CHANGELOG.md $date: write $(
      LC_ALL=C date -u -R -d "$date 12:00")"
  ! head -n 1 debian/changelog | grep -q UNRELEASED || echo "- debian/changelog: write 'unstable' for UNRELEASED"
  line=$(grep -n -m 1 'has no release yet' README.md | cut -d : -f 1) || true
  [[ -z $line ]] ||
    echo "- README.md, line $line: it states that there is no release yet; name $1 and its packages there"
}

# The date of the release's section in CHANGELOG.md.
release_date() { sed -n "s/^## \[${1//./\\.}\] - \([0-9-]*\)\$/\1/p" CHANGELOG.md; }

# Prints the lines of one section. A released one has a date.
changelog_section() {
  awk -v heading="## [$1]" '
    /^## / {
      dated = / - [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/
      inside = index($0, heading) == 1 && (dated || heading ~ /Unreleased/)
      next
    }
    inside' CHANGELOG.md
}

newest_migration() {
  local last
  last=$(printf '%s\n' sql/migrations/[0-9]*.sql | sort | tail -n 1)
  last=${last##*/}
  echo "$((10#${last%%_*}))"
}
