// Schemas: what a model takes and gives, read from its OpenAPI document.

/** The schemas of a model's input and output, and what looks up what they refer to. */
export function schemas(model) {
  const all = model.latest_version.openapi_schema.components.schemas;
  const resolve = (schema) => resolved(schema, all);
  return { input: resolve(all.Input ?? {}), output: resolve(all.Output ?? {}), resolve };
}

/** A schema without references and without a null that it allows beside something else; `nullable` says that. */
function resolved(schema, all, depth = 0) {
  if (depth > 8 || !schema) return schema ?? {};
  if (schema.$ref) {
    const { $ref, ...rest } = schema;
    return resolved({ ...all[$ref.split("/").pop()], ...rest }, all, depth + 1);
  }
  if (schema.allOf?.length === 1) {
    const { allOf, ...rest } = schema;
    return resolved({ ...resolved(allOf[0], all, depth + 1), ...rest }, all, depth + 1);
  }
  const others = schema.anyOf?.filter((one) => one.type !== "null");
  if (others && others.length < schema.anyOf.length && others.length === 1) {
    const { anyOf, ...rest } = schema;
    return { ...resolved(others[0], all, depth + 1), ...rest, nullable: true };
  }
  return schema;
}

/** The inputs in their order. */
export function inputs({ input, resolve }) {
  const required = new Set(input.required ?? []);
  const order = (one) => one.schema["x-order"] ?? 0;
  return Object.entries(input.properties ?? {})
    .map(([name, schema]) => ({ name, schema: resolve(schema), required: required.has(name) }))
    .sort((one, other) => order(one) - order(other));
}

/** Whether it is a file that an input takes. */
export const isFile = (schema) => schema["x-leveret-file"] === true;

/** What kind of value fits, in a few words. */
export function kind(schema, resolve) {
  if (isFile(schema)) return "file";
  if (schema.format === "uri") return "URL";
  if (schema.enum) return "choice";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${schema.items ? kind(resolve(schema.items), resolve) : "anything"}`;
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return several.map((one) => kind(resolve(one), resolve)).join(" or ");
  return (
    {
      string: "text",
      integer: "whole number",
      number: "number",
      boolean: "yes or no",
      object: schema.title ?? "object",
      null: "null",
    }[schema.type] ?? "anything"
  );
}

/** What a value has to keep to beside its kind. */
export function bounds(schema) {
  const said = [];
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  if (low !== undefined && high !== undefined) said.push(`${low} to ${high}`);
  else if (low !== undefined) said.push(`at least ${low}`);
  else if (high !== undefined) said.push(`at most ${high}`);
  if (schema.minLength) said.push(`at least ${schema.minLength} characters`);
  if (schema.maxLength) said.push(`at most ${schema.maxLength} characters`);
  if (schema.pattern && !isFile(schema)) said.push(`like ${schema.pattern}`);
  return said.join(", ");
}

/** Whether a list of texts by this schema is one text in pieces. */
export const isJoined = (schema) => schema["x-cog-array-display"] === "concatenate";
