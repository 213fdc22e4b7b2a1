/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_WEB_ROUTE_H
#define TB_SERVER_WEB_ROUTE_H

#include "server/web/request.h"

#define TB_API "/api/v1"

/* Any thread. Finds the route of a path below TB_API and fills request->route and args, or answers
 * 404, 405 (with Allow). False when answered. method: the request's own word. */
bool tb_route_find(struct tb_request *request, const char *method, const char *path);

/* Splits and decodes the query in place and checks it against the table. False when answered. */
bool tb_route_query(struct tb_request *request, char *query);

/* Every handler of the table. */
#define ROUTE(HANDLER, ...) void tb_api_##HANDLER(struct tb_request *request);
#define QUERY(...)
#include "server/web/routes.def"
#undef ROUTE
#undef QUERY

extern const char *const tb_method_names[TB_N_METHODS];

/* OpenAPI 3.1 of routes.def, params.def and schemas.json; NULL without memory. */
json_t *tb_openapi(void);

/* schemas.json, embedded by the build. */
extern const unsigned char tb_schemas_json[];
extern const size_t tb_schemas_json_size;

#endif
