// Asks a stand-in for GitHub by GitHub's own client for artifacts, and GitHub's published description of its API about
// what the stand-in answers. Prints what came of it as JSON, in one line, as the last one.
//
//   list OWNER REPO RUN            its artifacts, by the client
//   download OWNER REPO ID FOLDER  unpacks an artifact
//   upload NAME FOLDER             as a job does (ACTIONS_RESULTS_URL, ACTIONS_RUNTIME_TOKEN)
//   judge FILE                     of [{method, url, status, body}]: what the description doesn't have

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.env.NODE_MODULES;
const load = (path) => import(pathToFileURL(join(modules, path)).href);
const [command, ...given] = process.argv.slice(2);
const token = process.env.GITHUB_TOKEN;

async function client() {
    const { DefaultArtifactClient } = await load("@actions/artifact/lib/artifact.js");
    return new DefaultArtifactClient();
}

function by(repositoryOwner, repositoryName, workflowRunId) {
    return { findBy: { token, repositoryOwner, repositoryName, workflowRunId: Number(workflowRunId) } };
}

/** The operation of the description that a request is, with the names of its parameters. */
function operation(api, method, url) {
    const { pathname, searchParams } = new URL(url, "http://host");
    const steps = pathname.replace(/^\/api\/v3/, "").split("/");
    const fits = (path) => {
        const parts = path.split("/");
        return parts.length === steps.length && parts.every((part, at) => part === steps[at] || part.startsWith("{"));
    };
    const path = Object.keys(api.paths).find((path) => fits(path) && api.paths[path][method]);
    if (!path) return { problem: `no operation ${method} ${pathname}` };
    const found = api.paths[path][method];
    const resolve = (node) => (node.$ref ? node.$ref.slice(2).split("/").reduce((at, key) => at[key], api) : node);
    const known = (found.parameters ?? []).map(resolve).map((parameter) => parameter.name);
    const unknown = [...searchParams.keys()].filter((name) => !known.includes(name));
    return unknown.length ? { problem: `no parameter ${unknown}` } : { path, responses: found.responses };
}

/** The schema of an object of which a part is there: nothing is missing, and nothing is made up. */
function inPart(api, schema) {
    if (schema.$ref) return inPart(api, schema.$ref.slice(2).split("/").reduce((at, key) => at[key], api));
    const { required, ...rest } = schema;
    return { ...rest, additionalProperties: false };
}

async function judge(file) {
    const Ajv = (await load("ajv/dist/ajv.js")).default.default;
    const formats = (await load("ajv-formats/dist/index.js")).default.default;
    const api = JSON.parse(readFileSync(join(modules, "@octokit/openapi/generated/api.github.com.json"), "utf8"));
    const ajv = new Ajv({ strict: false, allErrors: true });
    formats(ajv);
    ajv.addSchema(api, "api");
    const problems = [];
    for (const { method, url, status, body, partly } of JSON.parse(readFileSync(file, "utf8"))) {
        const { problem, path, responses } = operation(api, method.toLowerCase(), url);
        if (problem) {
            problems.push(problem);
        } else if (!responses[status]) {
            if (status < 400) problems.push(`${url}: no answer ${status}`);
        } else if (body !== undefined) {
            const at = path.replaceAll("/", "~1").replaceAll("{", "%7B").replaceAll("}", "%7D");
            const content = responses[status].content["application/json"].schema;
            const schema = partly
                ? { components: api.components, ...inPart(api, content) }
                : { $ref: `api#/paths/${at}/get/responses/${status}/content/application~1json/schema` };
            const check = ajv.compile(schema);
            if (!check(body)) {
                problems.push(...check.errors.map((error) => `${url}: ${error.instancePath} ${error.message}`));
            }
        }
    }
    return problems;
}

const commands = {
    list: async (owner, repo, run) => (await (await client()).listArtifacts(by(owner, repo, run))).artifacts,
    download: async (owner, repo, id, path) =>
        (await client()).downloadArtifact(Number(id), { path, ...by(owner, repo, 0) }),
    upload: async (name, folder) => {
        const all = readdirSync(folder, { recursive: true, withFileTypes: true });
        const files = all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
        return (await client()).uploadArtifact(name, files, folder);
    },
    judge,
};
console.log(JSON.stringify(await commands[command](...given)));
