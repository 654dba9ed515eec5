using Aspire.Hosting.Publishing;

namespace RagPlatform.AppHost;

/// <summary>
/// The default of a secret that may be empty. A parameter without a value is asked for, by the Aspire dashboard in run mode and by azd on
/// deployment; this one has the empty value, which the manifest states as well. The value of this machine never gets into the manifest.
/// </summary>
/// <param name="local">The value on this machine, when neither the user secrets nor the arguments hold one.</param>
internal sealed class OptionalSecret(string? local) : ParameterDefault
{
    public override string GetDefaultValue() => local ?? "";

    public override void WriteToManifest(ManifestPublishingContext context) => context.Writer.WriteString("value", "");
}
