mod agent_token;
mod api_key_token;
mod jwks;
mod refresh;
mod revoke;
mod signup;
mod token;
