// What index.d.ts promises of each method, to be held against what runs.
'use strict'

const { dirname, join } = require('node:path')
const keepward = require('keepward')
const { surface, camel } = require('./e2e')
const ts = require(process.env.KEEPWARD_TYPESCRIPT ?? 'typescript')

const file = join(dirname(require.resolve('keepward/package.json')), 'index.d.ts')
const program = ts.createProgram([file], { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, types: [] })
const checker = program.getTypeChecker()
const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)))
const client = checker.getDeclaredTypeOfSymbol(exported.find((symbol) => symbol.name === 'Keepward'))

/** What a client's method for an operation is declared as. */
function declared(operation) {
  const { resource, method } = surface[operation]
  const [signature] = [resource, method].reduce((type, name) => checker.getTypeOfPropertyOfType(type, camel(name)), client).getCallSignatures()
  return { parameters: signature.parameters.map(({ name }) => name), answer: checker.getAwaitedType(signature.getReturnType()) }
}

const primitives = [
  [ts.TypeFlags.StringLike, 'string'], [ts.TypeFlags.NumberLike, 'number'], [ts.TypeFlags.BigIntLike, 'bigint'],
  [ts.TypeFlags.BooleanLike, 'boolean'], [ts.TypeFlags.Undefined | ts.TypeFlags.Void, 'undefined'],
]

/** What of a value is not as its type says; a newer server may know more words than a union of them. */
function differences(value, type, place) {
  const wrong = [`${place} is no ${checker.typeToString(type)}`]
  if (type.flags & ts.TypeFlags.Unknown) return []
  if (type.isUnion()) return type.types.some((one) => differences(value, one, place).length === 0) ? [] : wrong
  const primitive = primitives.find(([flag]) => type.flags & flag)
  if (primitive) return typeof value === primitive[1] ? [] : wrong
  if (type.flags & ts.TypeFlags.Null) return value === null ? [] : wrong
  if (value === null || typeof value !== 'object') return wrong
  if (checker.isArrayType(type)) {
    const [item] = checker.getTypeArguments(type)
    return Array.isArray(value) ? value.flatMap((one, n) => differences(one, item, `${place}[${n}]`)) : wrong
  }
  const made = { Date, Secret: keepward.Secret }[type.symbol?.name]
  if (made) return value instanceof made ? [] : wrong
  const free = checker.getIndexInfoOfType(type, ts.IndexKind.String)
  if (free) return Object.entries(value).flatMap(([name, one]) => differences(one, free.type, `${place}.${name}`))
  const properties = type.getProperties()
  const strangers = Object.keys(value).filter((name) => !properties.some((property) => property.name === name))
  return [
    ...strangers.map((name) => `${place}.${name} is not declared`),
    ...properties.flatMap((property) => differences(value[property.name], checker.getTypeOfSymbol(property), `${place}.${property.name}`)),
  ]
}

module.exports = { declared, differences }
