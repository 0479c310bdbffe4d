#!/bin/sh
# Copies from node_modules what the player page loads, and the licences that go with it, into vendor/.
set -eu
cd "$(dirname "$0")"

modules=node_modules
fresh=$modules/.vendor
rm -rf "$fresh"
mkdir "$fresh"

cp "$modules/hls.js/dist/hls.min.js" "$fresh/hls.min.js"
cp "$modules/hls.js/LICENSE" "$fresh/hls.LICENSE.txt"

cp "$modules/shaka-player/dist/shaka-player.compiled-es2021.js" "$fresh/shaka-player.min.js"
cp "$modules/shaka-player/LICENSE" "$fresh/shaka-player.LICENSE.txt"

cp "$modules/dashjs/dist/modern/umd/dash.mediaplayer.min.js" "$fresh/dash.mediaplayer.min.js"
cp "$modules/dashjs/LICENSE.md" "$fresh/dash.LICENSE.txt"
# The build of dash.js carries its dependencies inside, so their licences travel with it.
for licence in "$modules"/*/[Ll][Ii][Cc]* "$modules"/@*/*/[Ll][Ii][Cc]*; do
  case $licence in
    "$modules"/dashjs/* | "$modules"/hls.js/* | "$modules"/shaka-player/*) continue ;;
  esac
  # Without any dependency beside it the pattern stays as it is.
  [ -f "$licence" ] || continue
  package=${licence#"$modules"/}
  printf '\n\n---- %s ----\n\n' "${package%/*}"
  cat "$licence"
done >> "$fresh/dash.LICENSE.txt"

chmod 644 "$fresh"/*
# The marker is made before the folder moves as one: half a copy is never taken for a whole one.
touch "$fresh/.installed"
rm -rf vendor
mv "$fresh" vendor
