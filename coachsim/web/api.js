// Requests to the server. A request that fails throws ApiError with a sentence fit to be shown.

/** In practice a supervisor or trainer opens an agent's page as a seat: /agent?seat=a017. */
export const seat = new URLSearchParams(location.search).get("seat");

export class ApiError extends Error {
	/** Of nothing: the server was not reached, or not all of its answer came. `status` is 0 then. */
	constructor(message = "The server could not be reached. Check the connection and try again.", status = 0, code = "") {
		super(message);
		Object.assign(this, { status, code });
	}
	get temporary() { return this.status === 0 || this.status === 429 || this.status >= 500; }
}

/** An endpoint's address, with this page's seat. */
export function address(path) {
	const url = new URL(path, location.origin);
	if (seat) url.searchParams.set("seat", seat);
	return url.href;
}

const cookie = (name) =>
	decodeURIComponent(document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? "");

async function request(method, path, body, tries = 9) {
	const headers = method === "GET" ? {} : { "X-XSRFToken": cookie("_xsrf") };
	if (body) headers["Content-Type"] = "application/json";
	let response;
	try {
		response = await fetch(address(path), {
			method, headers, cache: "no-store", signal: AbortSignal.timeout(20_000), body: JSON.stringify(body),
		});
	} catch {
		throw new ApiError();
	}
	if (response.status === 429 && tries) { // nothing was done
		await new Promise((resolve) => setTimeout(resolve, 1e3 * response.headers.get("Retry-After")));
		return request(method, path, body, tries - 1);
	}
	const answer = await response.json().catch(() => null); // a failure that is not JSON is told by its status
	if (response.ok) {
		if (answer || response.status === 204 || path === "/logout") return answer; // signing out ends on a page
		throw new ApiError();
	}
	const sentence = answer?.error?.message ?? `The server answered ${response.status} to ${method} ${path}. Try again.`;
	throw new ApiError(sentence, response.status, answer?.error?.code);
}

export const get = (path) => request("GET", path);
export const post = (path, body) => request("POST", path, body);
export const put = (path, body) => request("PUT", path, body);
export const del = (path) => request("DELETE", path);
