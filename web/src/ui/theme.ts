import {
  createTheme,
  type CSSVariablesResolver,
  type MantineColorsTuple,
  type VariantColorsResolver,
} from '@mantine/core';

const accent: MantineColorsTuple = [
  '#e3f1ee', '#c5e2dc', '#9fd0c6', '#74bcae', '#45a592', '#238d7a', '#0f6b5c', '#0f6b5c', '#0b5548', '#073d34',
];

// Mantine draws fields and segments with steps of these two: 4 is a control's border, 6 and 8 are surface and ground.
const dark: MantineColorsTuple = [
  '#e8eaee', '#c9cdd6', '#a3aab8', '#7d8494', '#6b7280', '#2a2e36', '#16181d', '#16181d', '#101215', '#0b0d0f',
];
const gray: MantineColorsTuple = [
  '#fbfbfa', '#f1f2f0', '#e6e8e8', '#e0e2e4', '#8a909c', '#7a808c', '#5c6270', '#454a55', '#2f333b', '#1b1d22',
];

const none = '1px solid transparent';

/** All of Mantine's colours come from the page's own tokens, so that one file holds both themes. */
const variantColorResolver: VariantColorsResolver = ({ variant, color }) => {
  const ink = color === 'danger' ? 'var(--danger)' : 'var(--accent)';
  switch (variant) {
    case 'filled':
      return { background: ink, hover: 'var(--accent-strong)', color: 'var(--on-accent)', border: none };
    case 'subtle':
    case 'transparent':
      return { background: 'transparent', hover: 'var(--sunken)', color: color === 'danger' ? ink : 'var(--text)', border: none };
    case 'light':
      return { background: 'var(--accent-soft)', hover: 'var(--accent-soft)', color: ink, border: none };
    default:
      return { background: 'var(--surface)', hover: 'var(--sunken)', color: 'var(--text)', border: '1px solid var(--control)' };
  }
};

export const theme = createTheme({
  primaryColor: 'accent',
  primaryShade: 7,
  colors: { accent, dark, gray },
  fontFamily: 'var(--chrome)',
  defaultRadius: 6,
  cursorType: 'pointer',
  respectReducedMotion: true,
  variantColorResolver,
  components: {
    Button: { defaultProps: { variant: 'default' } },
    ActionIcon: { defaultProps: { variant: 'subtle', size: 40 } },
    Modal: {
      // A long name leaves the button that closes it where it is.
      styles: {
        title: { minWidth: 0, fontWeight: 600, lineHeight: '24px', overflowWrap: 'anywhere' },
        header: { alignItems: 'flex-start' },
        close: { flex: 'none' },
      },
      defaultProps: { centered: true, radius: 10, transitionProps: { duration: 120 } },
    },
    // What is off is seen to be there.
    Switch: { styles: { track: { boxShadow: 'inset 0 0 0 1px var(--control)' } } },
    Menu: { defaultProps: { radius: 10, transitionProps: { duration: 120 } } },
    Tooltip: { defaultProps: { openDelay: 400, events: { hover: true, focus: true, touch: false } } },
  },
});

export const resolver: CSSVariablesResolver = () => {
  const shared = {
    '--mantine-color-body': 'var(--surface)',
    '--mantine-color-text': 'var(--text)',
    '--mantine-color-dimmed': 'var(--muted)',
    '--mantine-color-error': 'var(--danger)',
    '--mantine-color-placeholder': 'var(--muted)',
    '--mantine-color-default': 'var(--surface)',
    '--mantine-color-default-hover': 'var(--sunken)',
    '--mantine-color-default-border': 'var(--control)',
    '--mantine-color-default-color': 'var(--text)',
    '--mantine-primary-color-filled': 'var(--accent)',
    '--mantine-primary-color-filled-hover': 'var(--accent-strong)',
    '--mantine-shadow-md': 'var(--shadow)',
    '--mantine-shadow-xl': 'var(--shadow)',
  };
  return { variables: {}, light: shared, dark: shared };
};
