// Requests to the server. A request that fails throws ApiError with a sentence fit to be shown.

/** In practice a supervisor or trainer opens an agent's page as a seat: /agent?seat=a017. */
export const seat = new URLSearchParams(location.search).get("seat");

export class ApiError extends Error {
	/** `status` is 0 when the server was not reached at all. */
	constructor(message, { status = 0, code = "unreachable" } = {}) {
		super(message);
		this.status = status;
		this.code = code;
	}
	get temporary() { return this.status === 0 || this.status === 429 || this.status >= 500; }
}

/** The address of an endpoint, with the seat where this page has one. */
export function address(path, query = {}) {
	const url = new URL(path, location.origin);
	for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
	if (seat) url.searchParams.set("seat", seat);
	return url.href;
}

const cookie = (name) =>
	decodeURIComponent(document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? "");

async function request(method, path, body) {
	const headers = { Accept: "application/json" };
	if (method !== "GET") headers["X-XSRFToken"] = cookie("_xsrf");
	if (body !== undefined) headers["Content-Type"] = "application/json";
	let response;
	try {
		response = await fetch(address(path), {
			method, headers, credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(20_000),
			body: body === undefined ? undefined : JSON.stringify(body),
		});
	} catch {
		throw new ApiError("The server could not be reached. Check the connection; this page keeps trying.");
	}
	const text = await response.text().catch(() => "");
	let answer = null;
	try { answer = text ? JSON.parse(text) : null; } catch { /* not JSON: told below by its status, if it is a failure */ }
	if (response.ok) return answer;
	throw new ApiError(answer?.error?.message ?? `The server answered ${response.status} to ${method} ${path}. Try again.`, {
		status: response.status, code: answer?.error?.code ?? "error",
	});
}

export const get = (path) => request("GET", path);
export const post = (path, body) => request("POST", path, body);
export const put = (path, body) => request("PUT", path, body);
export const del = (path) => request("DELETE", path);
