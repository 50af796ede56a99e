#!/usr/bin/env node
// Plain old JavaScript on purpose: an old Node must get as far as this message. Nothing newer is imported before the check.
var major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    'millrace needs Node.js 24 or newer; this is ' +
      process.version +
      ' (' +
      process.execPath +
      ').\n' +
      'Install Node.js 24, or add it to the project: npm install --save-dev node@24, then use npx millrace.\n',
  )
  process.exit(1)
}
import('../dist/cli/main.js')
  .then(function (cli) {
    return cli.main(process.argv)
  })
  .catch(function (error) {
    process.stderr.write(String((error && error.stack) || error) + '\n')
    process.exit(1)
  })
