/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/model/config.h"

/* Returns: (transfer full): an open_clip_config.json that says the same. */
char *clip_config_to_json (const ClipConfig *config);
