mod agent_token;
mod login;
mod revoke;
mod signup;
