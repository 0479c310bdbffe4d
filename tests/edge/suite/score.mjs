// node score.mjs SUITE_DIR RESULTS.json: what became of each test, by the suite's own rules, as one JSON document.
import fs from 'node:fs'
import path from 'node:path'

const [dir, results] = process.argv.slice(2)
const load = name => import('file://' + path.resolve(dir, name))
const current = fs.existsSync(path.join(dir, 'test-engine')) // the layout after release 0.4.5
const suites = [...(await load('tests/index.mjs')).default]
if (!current) suites.push((await load('tests/surrogate-control.mjs')).default)
const { determineTestResult } = await load(current ? 'test-engine/lib/results.mjs' : 'lib/display.mjs')
const names = {
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'optional_fail',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup_fail',
  '⁉️': 'harness_fail',
  '⚪️': 'dependency_fail',
  '↻': 'retry',
  '-': 'untested'
}

const had = JSON.parse(fs.readFileSync(results))
const scored = suites.flatMap(suite =>
  suite.tests
    .filter(test => !test.browser_only)
    .map(test => ({
      id: test.id,
      suite: suite.id,
      kind: test.kind || 'required',
      result: names[determineTestResult(suites, test.id, had)[2]],
      reason: Array.isArray(had[test.id]) ? String(had[test.id][1]) : ''
    }))
)
console.log(JSON.stringify(scored))
